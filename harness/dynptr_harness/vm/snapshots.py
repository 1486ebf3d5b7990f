"""Snapshots: machines saved when their agent is ready. The next equal machine need not boot."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core import shortage
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
# Seconds. A restore takes less than one, or a few on a busy host.
RESTORE_DEADLINE = 20.0
# Seconds for the agent to compile everything that it would compile on first use.
WARM_DEADLINE = 120.0

CPUINFO = Path("/proc/cpuinfo")
# Properties of the host's CPU that a guest under KVM reads when it boots.
CPU_FIELDS = ("vendor_id", "cpu family", "model", "stepping", "microcode", "flags")

log = logging.getLogger(__name__)


class Snapshots:
    """The snapshots in the cache. Their size is limited by the settings."""

    def __init__(self, settings: Settings) -> None:
        self._cache = Cache(settings.cache)
        self._limit_mib = settings.snapshot_limit_mib

    async def start(self, spec: Spec, directory: Path) -> Machine:
        """Restore a machine. If there is no snapshot, boot a machine and save a snapshot.

        A snapshot that cannot be restored is discarded with a warning, unless a shortage of the host is the
        reason. If a snapshot cannot be saved, the machine is used nevertheless, with a warning.

        Args:
            spec: the machine.
            directory: directory for console.txt.

        Raises:
            HarnessError: see `Machine.boot`.
        """
        name = key(spec)
        return await self._restored(spec, name, directory) or await self._saved(spec, name, directory)

    def has(self, spec: Spec) -> bool:
        """Return True if there is a snapshot of this machine."""
        return self._cache.find(KIND, key(spec)) is not None

    async def _restored(self, spec: Spec, name: str, directory: Path) -> Machine | None:
        saved = self._cache.find(KIND, name)
        if not saved:
            return None
        try:
            return await Machine.restore(spec, saved, directory=directory, deadline=RESTORE_DEADLINE)
        except (HarnessError, OSError, ValueError) as error:
            if _is_shortage(error):
                log.warning("snapshot %s cannot be restored now: %s", saved, error)
            else:
                log.warning("snapshot %s cannot be restored and will be created again: %s", saved, error)
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
            with self._cache.draft(KIND, name, needed_mib=spec.memory_mib) as draft:
                if draft:
                    await machine.ask({"kind": "warm"}, WARM_DEADLINE)
                    await machine.save(draft)
            self._cache.prune(KIND, self._limit_mib, keep=name)
        except MachineFailed:
            raise
        except (HarnessError, OSError) as error:
            log.warning("no snapshot was saved: %s", error)


def _is_shortage(error: Exception) -> bool:
    """Return True if the host lacked descriptors, processes or memory. The kernel ends QEMU with SIGKILL."""
    text = f"{error}\n{error.tail}" if isinstance(error, MachineFailed) else str(error)
    return shortage.is_shortage(error) or shortage.named_in(text) or signal.SIGKILL.name in text


def key(spec: Spec) -> str:
    """Return a hash of everything that the state of a machine or its answers depend on.

    `round_robin` is not part of it: it changes QEMU's threads, not the state of the guest. `share` is not,
    because the guest reads this disk after the restore.
    """
    spec = replace(spec, round_robin=False, share=None)
    files = spec.files
    program = Path(shutil.which(qemu.PROGRAM) or qemu.PROGRAM)
    # A disk with the same content may have another order of blocks, and the guest has read some of them.
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
    except OSError as error:  # QEMU reports it
        return f"{path} {error.strerror}"
    return f"{path} {state.st_size} {state.st_mtime_ns}"


def _cpu() -> list[str]:
    """Return the lines of /proc/cpuinfo about the first CPU."""
    first = CPUINFO.read_text().partition("\n\n")[0].splitlines()
    return [line for line in first if line.partition("\t")[0] in CPU_FIELDS]
