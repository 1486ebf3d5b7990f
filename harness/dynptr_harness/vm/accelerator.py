"""KVM where it works, TCG where it does not: decided by a real boot, and checked in the guest."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dynptr_harness.core import kvm
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.vm import qemu
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import BootFiles

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROBE_ARGUMENT = "dynptr_harness.probe"
PROBE_NOTE = "user space reached"
# Where KVM works a kernel is in user space after a second or two; where it does not, QEMU spins for ever.
PROBE_DEADLINE = 15.0


@dataclass(frozen=True)
class Accelerator:
    """How QEMU runs the guest's instructions, and why it was chosen, for people."""

    name: Literal["kvm", "tcg", "none"]  # none: there is no QEMU
    reason: str


def choose(files: BootFiles, *, settings: Settings) -> Accelerator:
    """KVM if this kernel reaches user space with it, else TCG.

    The answer of the boot is remembered as long as the host runs, for this QEMU and this kernel.

    Args:
        files: what is going to be booted.
        settings: says where answers are kept.

    Raises:
        EnvironmentFailed: QEMU is missing or too old.
    """
    qemu_version = qemu.version()
    if reason := kvm.unusable():
        return Accelerator("tcg", reason)
    digest = hashlib.sha256(f"{BOOT_ID.read_text()} {qemu_version}".encode())
    for part in (files.kernel, Path(__file__), Path(qemu.__file__)):  # what is asked, and how
        digest.update(part.read_bytes())
    key = digest.hexdigest()[:24]

    def answer(folder: Path) -> None:
        failure = asyncio.run(probe(files, folder / "console.txt"))
        (folder / "answer.json").write_text(json.dumps({"failure": failure}))

    entry = Cache(settings.cache).entry("kvm-probe", key, answer)
    failure = json.loads((entry / "answer.json").read_text())["failure"]
    if failure is None:
        return Accelerator("kvm", "a probe with this kernel reached user space")
    return Accelerator("tcg", f"{kvm.DEVICE} opens, but {failure} (see {entry / 'console.txt'})")


async def probe(files: BootFiles, transcript: Path) -> str | None:
    """Boot kernel and initramfs with KVM, up to the first process and no further.

    Returns:
        None when user space was reached, else what happened instead.
    """
    console = Console(transcript)
    features = qemu.probe(Accelerator("kvm", "probe"))
    argv = qemu.command(files, features, memory_mib=512, cmdline=(PROBE_ARGUMENT,))
    process = await QemuProcess.start(argv, console)
    try:
        await asyncio.wait({process.ended}, timeout=PROBE_DEADLINE)
        ended = process.ended.done()
    finally:
        await process.kill()
    if PROBE_NOTE in console.notes:
        return None
    if not ended:
        return f"a kernel started with it did not reach user space in {PROBE_DEADLINE:g} s"
    return f"a kernel started with it ended: {console.panic or console.tail().rpartition(chr(10))[2]}"


def confirm(chosen: Accelerator, facts: Mapping[str, Any]) -> None:
    """Hold what the guest measured against what was chosen.

    Args:
        chosen: what QEMU was asked for.
        facts: the agent's; "accelerator" in it is 'kvm', 'tcg' or 'unknown', which contradicts nothing.

    Raises:
        EnvironmentFailed: the guest runs on something else.
    """
    measured = facts.get("accelerator", "unknown")
    if chosen.name != "none" and measured not in ("unknown", chosen.name):
        raise EnvironmentFailed(
            f"QEMU was asked for {chosen.name}, but the guest measures {measured}",
            "look whether qemu-system-x86_64 on PATH is a wrapper that changes its arguments",
        )
