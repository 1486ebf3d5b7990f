"""A probe of KVM without a kernel: the firmware, timed under KVM and under TCG.

A nested KVM can be emulated, and far slower than TCG. Each kernel then reaches its deadline. The firmware
shows it once for all kernels. Both times are taken one after the other, so that a busy host does not decide.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from dynptr_harness.vm import qemu
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from pathlib import Path

LAST_LINE = "No bootable device"  # of SeaBIOS
TCG_DEADLINE = 10.0  # seconds
# KVM may need this many times the time of TCG. A KVM with hardware needs less than TCG.
SLOWEST = 4
SHORTEST = 3.0  # seconds that KVM has at least: the answer holds until the host boots again


async def failure(directory: Path) -> str | None:
    """Run the firmware with TCG, then with KVM.

    Args:
        directory: for the two transcripts.

    Returns:
        The reason why KVM is no use for any kernel. None if it may work, or if the firmware cannot tell.
    """
    emulated = await _seconds("tcg", directory, TCG_DEADLINE)
    if emulated is None:
        return None
    deadline = max(SHORTEST, SLOWEST * emulated)
    if await _seconds("kvm", directory, deadline) is None:
        return f"the firmware did not end in {deadline:.1f} s, and TCG needs {emulated:.1f} s for it"
    return None


async def _seconds(name: str, directory: Path, deadline: float) -> float | None:
    """Return the time that the firmware needs, or None if it does not end before the deadline."""
    ended = asyncio.Event()

    def look(line: str) -> None:
        if LAST_LINE in line:
            ended.set()

    console = Console(directory / f"firmware-{name}.txt", on_line=look)
    accelerator = Accelerator("kvm" if name == "kvm" else "tcg", "probe")
    started = time.monotonic()
    process = await QemuProcess.start(qemu.firmware_command(accelerator), console)
    waiting = asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({waiting, process.ended}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        return time.monotonic() - started if ended.is_set() else None
    finally:
        waiting.cancel()
        await process.kill()
