"""The machine session that all items of a pytest process share."""

from __future__ import annotations

import pytest

from dynptr_harness.pytest_plugin import options
from dynptr_harness.pytest_plugin.machine_session import MachineSession

SESSION: pytest.StashKey[MachineSession] = pytest.StashKey()


def session(config: pytest.Config) -> MachineSession:
    """Return the session. It is created on first use and closed with the configuration.

    Raises:
        WrongUsage: an option is not valid.
    """
    if SESSION not in config.stash:
        config.stash[SESSION] = MachineSession(options.machine(config), options.settings(config))
        config.add_cleanup(config.stash[SESSION].close)
    return config.stash[SESSION]
