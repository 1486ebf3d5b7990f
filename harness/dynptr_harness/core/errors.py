"""Errors that are reported to the user, each with an exit status."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of the command. CI jobs rely on them; see docs/reference.md."""

    AS_EXPECTED = 0
    NOT_AS_EXPECTED = 1
    WRONG_USAGE = 2
    ENVIRONMENT_FAILED = 3
    DEFECT = 4  # of this program


class HarnessError(Exception):
    """A failure with one message. `fact` says what is wrong, `hint` how to fix it."""

    status = ExitStatus.ENVIRONMENT_FAILED

    def __init__(self, fact: str, hint: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


class WrongUsage(HarnessError):
    """The user asked for something that does not exist or is not possible (exit status 2)."""

    status = ExitStatus.WRONG_USAGE


class EnvironmentFailed(HarnessError):
    """The host, the network or a tool failed. This says nothing about the kernel (exit status 3)."""
