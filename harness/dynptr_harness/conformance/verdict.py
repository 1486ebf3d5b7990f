"""The verdicts."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """The verdict of one cell. The values are part of the result format."""

    PASS = "pass"  # noqa: S105  (a verdict, not a password)
    EXPECTED_DIFFERENCE = "expected-difference"  # behaviour that differs between versions, as documented
    KNOWN_DEFECT = "known-defect"  # a documented defect of the kernel
    FAIL = "fail"
    REJECTED = "rejected"  # the verifier refused a program that must load
    NOT_ALLOWED = "not-allowed"  # the helper is refused for this program type
    ABSENT = "absent"  # the kernel lacks the helper, the type, or another feature
    NOT_FIRED = "not-fired"  # attached, but the event did not run the program
    HANG = "hang"
    CRASH = "crash"
    LOST = "lost"  # the machine ended, and not because of the kernel
    NOT_RUN = "not-run"
