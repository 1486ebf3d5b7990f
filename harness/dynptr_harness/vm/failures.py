"""How a machine can fail, told apart by evidence."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.vm.console import Console


class FailureKind(StrEnum):
    """What became of the machine."""

    BOOT = "boot"  # it never got to an agent that answers
    CRASH = "crash"  # the kernel panicked or reset itself
    HANG = "hang"  # QEMU lives and the agent does not answer
    LOST = "lost"  # QEMU or the agent ended for a reason that is not the kernel's


class MachineFailed(HarnessError):
    """The machine is of no more use; by the time this is raised its QEMU is gone.

    Attributes:
        kind: what became of it.
        reason: the evidence, one line.
        tail: the last lines of the console.
        console: the file with the whole console.
    """

    def __init__(self, kind: FailureKind, reason: str, *, tail: str, console: Path) -> None:
        what = "the guest did not boot" if kind is FailureKind.BOOT else f"machine {kind}"
        super().__init__(f"{what}: {reason}", f"read the whole console in {console}")
        self.kind = kind
        self.reason = reason
        self.tail = tail
        self.console = console


def explain_end(console: Console, status: int, shutdown: str | None) -> tuple[FailureKind, str]:
    """Why QEMU ended by itself.

    Args:
        console: the guest's console, read to the end.
        status: QEMU's exit status, negative for a signal.
        shutdown: reason in QMP's SHUTDOWN event ('guest-reset', 'guest-shutdown', ...), if one came.
    """
    if console.panic:
        return FailureKind.CRASH, console.panic
    if status < 0:
        return FailureKind.LOST, f"QEMU was ended by {signal.Signals(-status).name}"
    if shutdown == "guest-reset":
        return FailureKind.CRASH, "the guest reset itself without a panic (a triple fault does so)"
    if status > 0:
        return FailureKind.LOST, f"QEMU ended with status {status}: {console.tail().rpartition(chr(10))[2]}"
    if console.notes:
        return FailureKind.LOST, console.notes[-1]
    return FailureKind.LOST, f"QEMU ended by itself ({shutdown or 'no reason given'})"
