"""The choice between KVM and TCG: KVM must boot the kernel once, and the guest confirms the choice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.core import kvm
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.vm import qemu
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import BootFiles

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROBE_ARGUMENT = "dynptr_harness.probe"
PROBE_NOTE = "user space reached"
# Seconds. With a working KVM a kernel writes to the early console at once, and reaches user space in one or
# two. With a broken KVM QEMU spins or stops for ever.
PROBE_DEADLINE = 15.0
SILENCE = 5.0
INTERNAL_ERROR = "KVM internal error"  # QEMU's message: the guest is stopped


def choose(files: BootFiles, *, settings: Settings) -> Accelerator:
    """Return KVM if this kernel reaches user space with it, else TCG.

    The result of the boot is cached for this QEMU, this kernel and this boot of the host.

    Raises:
        EnvironmentFailed: QEMU is missing or too old.
    """
    qemu_version = qemu.version()
    if reason := kvm.unusable():
        return Accelerator("tcg", reason)
    digest = hashlib.sha256(f"{BOOT_ID.read_text()} {qemu_version}".encode())
    for part in (
        files.kernel,
        Path(__file__),
        Path(qemu.__file__),
    ):  # kernel and recipe
        digest.update(part.read_bytes())
    key = digest.hexdigest()[:24]

    def answer(directory: Path) -> None:
        failure = asyncio.run(probe(files, directory / "console.txt"))
        (directory / "answer.json").write_text(json.dumps({"failure": failure}))

    entry = Cache(settings.cache).entry("kvm-probe", key, answer)
    failure = json.loads((entry / "answer.json").read_text())["failure"]
    if failure is None:
        return Accelerator("kvm", "a probe with this kernel reached user space")
    return Accelerator("tcg", f"{kvm.DEVICE} opens, but {failure} (see {entry / 'console.txt'})")


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
