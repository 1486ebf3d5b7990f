"""The bench that all items of a pytest process share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dynptr_harness.pytest_plugin.machine_session import MachineSession

if TYPE_CHECKING:
    from dynptr_harness.pytest_plugin.machine_session import MachineSession as BenchType

BENCH: pytest.StashKey[BenchType] = pytest.StashKey()


def bench(config: pytest.Config) -> MachineSession:
    """The bench, made when it is first needed, and closed with the configuration."""
    if BENCH not in config.stash:
        config.stash[BENCH] = MachineSession()
        config.add_cleanup(config.stash[BENCH].close)
    return config.stash[BENCH]
