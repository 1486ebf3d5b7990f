"""Snapshots: machines saved when their agent is ready, so that the next like them need not boot."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import HarnessError
from dynptr_harness.vm import agent_client, migration, qemu
from dynptr_harness.vm import machine as machine_module
from dynptr_harness.vm.failures import MachineFailed
from dynptr_harness.vm.machine import Machine

if TYPE_CHECKING:
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.vm.qemu import Spec

KIND = "snapshots"
# Seconds; a restore takes a fraction of one, and a few on a busy host.
RESTORE_DEADLINE = 20.0
# Seconds for the agent to compile all that it would compile when it is first needed.
WARM_DEADLINE = 120.0

CPUINFO = Path("/proc/cpuinfo")
# What of a host's processor a guest under KVM can see, and builds upon when it boots.
CPU_FIELDS = ("vendor_id", "cpu family", "model", "stepping", "microcode", "flags")

log = logging.getLogger(__name__)


class Snapshots:
    """The saved machines in the cache, held below the limit of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._cache = Cache(settings.cache)
        self._limit_mib = settings.snapshot_limit_mib

    async def start(self, spec: Spec, directory: Path) -> Machine:
        """A machine that nobody has asked anything: restored, or else booted and saved for the next time.

        A snapshot that cannot be restored is thrown away, and one that cannot be saved is done without; a
        warning says so.

        Args:
            spec: what the machine is made of. One that is booted has its processors at the same time in any
                case: it compiles and imports side by side.
            directory: gets console.txt.

        Raises:
            HarnessError: as `Machine.boot`.
        """
        name = key(spec)
        return await self._restored(spec, name, directory) or await self._saved(spec, name, directory)

    def has(self, spec: Spec) -> bool:
        """Whether a machine made of `spec` was saved, so that the next one need not boot."""
        return self._cache.find(KIND, key(spec)) is not None

    async def _restored(self, spec: Spec, name: str, directory: Path) -> Machine | None:
        saved = self._cache.find(KIND, name)
        if not saved:
            return None
        try:
            return await Machine.restore(spec, saved, directory=directory, deadline=RESTORE_DEADLINE)
        except (HarnessError, OSError, ValueError) as error:
            log.warning("snapshot %s is of no use and is made anew: %s", saved, error)
            self._cache.discard(KIND, name)
        return None

    async def _saved(self, spec: Spec, name: str, directory: Path) -> Machine:
        machine = await Machine.boot(spec, directory)
        try:
            await self._save(machine, spec, name)
        except BaseException:
            await machine.kill()
            raise
        return machine

    async def _save(self, machine: Machine, spec: Spec, name: str) -> None:
        try:
            with self._cache.draft(KIND, name, room_mib=spec.memory_mib) as draft:
                if draft:
                    await machine.ask({"kind": "warm"}, WARM_DEADLINE)
                    await machine.save(draft)
            self._cache.prune(KIND, self._limit_mib, keep=name)
        except MachineFailed:
            raise
        except (HarnessError, OSError) as error:
            log.warning("no snapshot was made: %s", error)


def key(spec: Spec) -> str:
    """Changes with everything that a saved machine, or what it answers, could depend on.

    Whether processors take turns is not: that is a matter of QEMU's threads, not of the guest's state.
    """
    spec = replace(spec, round_robin=False)
    files = spec.files
    program = Path(shutil.which(qemu.PROGRAM) or qemu.PROGRAM)
    # A disk of the same content can have its blocks in another order; the guest has read some of them.
    stamps = [_stamp(path) for path in (program, files.kernel, files.initramfs, *files.disks)]
    parts = [files.key, qemu.version(), *spec.command({"commands": 0, "events": 1, "monitor": 2}), *stamps]
    if spec.accelerator.name == "kvm":
        parts += [os.uname().release, *_cpu()]
    digest = hashlib.sha256("\n".join(parts).encode())
    for recipe in (__file__, machine_module.__file__, migration.__file__, agent_client.__file__):
        digest.update(Path(recipe).read_bytes())
    return digest.hexdigest()[:24]


def _stamp(path: Path) -> str:
    try:
        state = path.stat()
    except OSError as error:  # QEMU will say so
        return f"{path} {error.strerror}"
    return f"{path} {state.st_size} {state.st_mtime_ns}"


def _cpu() -> list[str]:
    """The lines of /proc/cpuinfo that describe the first processor."""
    first = CPUINFO.read_text().partition("\n\n")[0].splitlines()
    return [line for line in first if line.partition("\t")[0] in CPU_FIELDS]
