"""The options of pytest as settings and as options of machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.settings import Settings
from dynptr_harness.vm import cmdline
from dynptr_harness.vm.launcher import Options

if TYPE_CHECKING:
    import pytest

LEAST_MEMORY_MIB = 512


def settings(config: pytest.Config) -> Settings:
    """Return the settings of the environment, with --offline applied."""
    found = Settings.from_environment()
    return replace(found, offline=found.offline or config.option.dynptr_offline)


def machine(config: pytest.Config) -> Options:
    """Return the options of all machines.

    Raises:
        WrongUsage: a value is not allowed.
    """
    given = config.option
    if given.dynptr_cpus < 1:
        raise WrongUsage(f"--cpus {given.dynptr_cpus} is not possible", "give a guest one CPU or more")
    if given.dynptr_memory < LEAST_MEMORY_MIB:
        raise WrongUsage(f"--memory {given.dynptr_memory} is too little", f"give {LEAST_MEMORY_MIB} or more")
    cmdline.words(given.dynptr_append)
    return Options(
        modules=config.invocation_params.dir / Path(given.dynptr_modules) if given.dynptr_modules else None,
        accelerator=given.dynptr_accel,
        append=tuple(given.dynptr_append),
        cpus=given.dynptr_cpus,
        memory_mib=given.dynptr_memory,
        snapshot=not given.dynptr_no_snapshot,
    )
