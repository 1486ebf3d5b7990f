"""The words in which the harness answers."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What the host makes of one cell. The words are part of the result format."""

    PASS = "pass"  # noqa: S105  (a verdict, not a password)
    EXPECTED_DIFFERENCE = "expected-difference"  # differs between versions, and that is documented
    KNOWN_DEFECT = "known-defect"  # the kernel is wrong, in a way that is documented
    FAIL = "fail"
    REJECTED = "rejected"  # the verifier refused a program that must load
    NOT_ALLOWED = "not-allowed"  # the helper is refused for this program type
    ABSENT = "absent"  # the kernel does not have the helper (or the type) at all
    NOT_FIRED = "not-fired"  # attached, but the event never ran the program
    HANG = "hang"
    CRASH = "crash"
    LOST = "lost"  # the machine ended for a reason that is not the kernel's
    NOT_RUN = "not-run"
