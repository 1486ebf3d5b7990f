"""The errors a person sees: what was wrong, where, and what to do; each knows its exit status."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status of the command: documented in docs/reference.md and relied upon by CI jobs."""

    AS_EXPECTED = 0
    NOT_AS_EXPECTED = 1
    WRONG_USAGE = 2
    ENVIRONMENT_FAILED = 3
    DEFECT = 4  # of this program


class HarnessError(Exception):
    """A failure that has one clear message. `fact` says what was wrong and where, `hint` what to do."""

    status = ExitStatus.ENVIRONMENT_FAILED

    def __init__(self, fact: str, hint: str = "") -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint


class WrongUsage(HarnessError):
    """The person asked for something that does not exist or cannot be (exit status 2)."""

    status = ExitStatus.WRONG_USAGE


class EnvironmentFailed(HarnessError):
    """The machine, the network or a tool failed, so nothing can be said of the kernel (exit status 3)."""
