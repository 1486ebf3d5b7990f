"""The kinds of failures of a machine, and their evidence."""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import HarnessError

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.vm.console import Console


class FailureKind(StrEnum):
    """The kind of a failure."""

    BOOT = "boot"  # the agent never became ready
    CRASH = "crash"  # the kernel panicked or reset itself
    HANG = "hang"  # QEMU runs, and the agent does not answer
    LOST = "lost"  # QEMU or the agent ended for a reason other than the kernel


class MachineFailed(HarnessError):
    """A machine failed. Its QEMU has ended.

    Attributes:
        kind: kind of the failure.
        reason: evidence, on one line.
        tail: last lines of the console.
        console: file with the whole console.
    """

    def __init__(self, kind: FailureKind, reason: str, *, tail: str, console: Path) -> None:
        what = "the guest did not boot" if kind is FailureKind.BOOT else f"machine {kind}"
        super().__init__(f"{what}: {reason}", f"read the whole console in {console}")
        self.kind = kind
        self.reason = reason
        self.tail = tail
        self.console = console


def explain_end(console: Console, status: int, shutdown: str | None) -> tuple[FailureKind, str]:
    """Return kind and reason of an unexpected end of QEMU.

    Args:
        console: the console, read to its end.
        status: exit status of QEMU, negative for a signal.
        shutdown: reason in QMP's SHUTDOWN event ('guest-reset', 'guest-shutdown', ...), or None.
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
