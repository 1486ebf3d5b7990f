"""The choice between KVM and TCG.

KVM must run the firmware and boot the kernel once. The guest confirms the choice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.core import kvm
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.vm import firmware_probe, qemu
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import BootFiles

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
ANSWER = "answer.json"
PROBE_ARGUMENT = "dynptr_harness.probe"
PROBE_NOTE = "user space reached"
# Seconds. With a working KVM a kernel writes to the early console at once, and reaches user space in one or
# two. With a broken KVM QEMU spins or stops for ever.
PROBE_DEADLINE = 15.0
SILENCE = 5.0
INTERNAL_ERROR = "KVM internal error"  # QEMU's message: the guest is stopped


def choose(files: BootFiles, *, settings: Settings) -> Accelerator:
    """Return KVM if the firmware runs with it and this kernel reaches user space, else TCG.

    The firmware runs once for this QEMU and this boot of the host, and each kernel once.

    Raises:
        EnvironmentFailed: QEMU is missing or too old.
    """
    qemu_version = qemu.version()
    if reason := kvm.unusable():
        return Accelerator("tcg", reason)
    cache = Cache(settings.cache)
    host = f"{BOOT_ID.read_text()} {qemu_version}"
    entry = cache.entry("kvm-probe", _key(host, Path(firmware_probe.__file__)), _firmware)
    failure = _answer(entry)
    if failure is None:
        entry = cache.entry("kvm-probe", _key(host, files.kernel), partial(_kernel, files))
        failure = _answer(entry)
    if failure is None:
        return Accelerator("kvm", "a probe with this kernel reached user space")
    return Accelerator("tcg", f"{kvm.DEVICE} opens, but {failure} (see {entry})")


def _key(host: str, *what: Path) -> str:
    """Return the key of a probe: host, what it runs, and the recipe."""
    digest = hashlib.sha256(host.encode())
    for part in (*what, Path(__file__), Path(qemu.__file__)):
        digest.update(part.read_bytes())
    return digest.hexdigest()[:24]


def _firmware(directory: Path) -> None:
    _keep(directory, asyncio.run(firmware_probe.failure(directory)))


def _kernel(files: BootFiles, directory: Path) -> None:
    _keep(directory, asyncio.run(probe(files, directory / "console.txt")))


def _keep(directory: Path, failure: str | None) -> None:
    (directory / ANSWER).write_text(json.dumps({"failure": failure}))


def _answer(entry: Path) -> str | None:
    failure: str | None = json.loads((entry / ANSWER).read_text())["failure"]
    return failure


async def probe(files: BootFiles, transcript: Path) -> str | None:
    """Boot kernel and initramfs with KVM, up to the first process.

    Returns:
        None if the kernel reached user space, else the reason for the failure.
    """
    failed = asyncio.Event()
    said: list[str] = []

    def take(line: str) -> None:
        said.append(line)
        if line.startswith(INTERNAL_ERROR):
            failed.set()

    console = Console(transcript, on_line=take)
    accelerator = Accelerator("kvm", "probe")
    argv = qemu.boot_command(files, accelerator, memory_mib=512, cpus=1, cmdline=[PROBE_ARGUMENT])
    process = await QemuProcess.start(argv, console)
    error = asyncio.create_task(failed.wait())
    ends = {process.ended, error}
    try:
        await asyncio.wait(ends, timeout=SILENCE, return_when=asyncio.FIRST_COMPLETED)
        if said and not failed.is_set():
            remaining = PROBE_DEADLINE - SILENCE
            await asyncio.wait(ends, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
        ended = process.ended.done()
    finally:
        error.cancel()
        await process.kill()
    return _failure(console, said, ended=ended)


def _failure(console: Console, said: Sequence[str], *, ended: bool) -> str | None:
    """Return why a probe failed. None if it reached user space."""
    if PROBE_NOTE in console.notes:
        return None
    if error := next((line for line in said if line.startswith(INTERNAL_ERROR)), None):
        return f"a kernel started with it stopped: {error}"
    if ended:
        return f"a kernel started with it ended: {console.panic or console.tail().rpartition(chr(10))[2]}"
    if not said:
        return f"a kernel started with it wrote nothing in {SILENCE:g} s"
    return f"a kernel started with it did not reach user space in {PROBE_DEADLINE:g} s"


def confirm(chosen: Accelerator, facts: Mapping[str, Any]) -> None:
    """Compare the accelerator that the guest measured with the chosen one.

    Args:
        facts: the agent's. "accelerator" is 'kvm', 'tcg' or 'unknown', which agrees with any choice.

    Raises:
        EnvironmentFailed: the guest runs on another accelerator.
    """
    measured = facts.get("accelerator", "unknown")
    if chosen.name != "none" and measured not in ("unknown", chosen.name):
        raise EnvironmentFailed(
            f"QEMU was started with {chosen.name}, but the guest measures {measured}",
            "check if qemu-system-x86_64 on PATH is a wrapper that changes its arguments",
        )
