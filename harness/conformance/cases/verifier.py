"""VER: programs that the verifier must reject, each beside a twin that it must accept."""

from __future__ import annotations

from errno import EINVAL

from harness.conformance.case import Case
from harness.conformance.experiments import Rejection

_RELEASE = "kernel/bpf/verifier.c, check_reference_leak (v5.19: a dynptr is a reference, bc34dee65a65)"

CASES = (
    Case(
        "VER-001",
        "forgotten",
        "a program that never submits or discards its reservation is rejected",
        Rejection("ver_001", EINVAL, "Unreleased reference"),
        _RELEASE,
    ),
    Case(
        "VER-004",
        "on error",
        "a program that submits or discards only when the reservation was granted is rejected",
        Rejection("ver_004", EINVAL, "Unreleased reference"),
        _RELEASE,
    ),
)
