"""The machine session that all items of a pytest process share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dynptr_harness.pytest_plugin.machine_session import MachineSession

if TYPE_CHECKING:
    from dynptr_harness.pytest_plugin.machine_session import MachineSession as SessionType

SESSION: pytest.StashKey[SessionType] = pytest.StashKey()


def session(config: pytest.Config) -> MachineSession:
    """Return the session. It is created on first use and closed with the configuration."""
    if SESSION not in config.stash:
        config.stash[SESSION] = MachineSession()
        config.add_cleanup(config.stash[SESSION].close)
    return config.stash[SESSION]
