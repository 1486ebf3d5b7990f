"""The catalogue: every case with its stable ID.

A new case is one row in a module of `cases`; where it needs a program of its own, also one small C function
in bpf_src/cases/.
"""

from __future__ import annotations

from harness.conformance.case import Case
from harness.conformance.cases import access, attach, commit, reserve, verifier, wakeup
from harness.conformance.prog_types import PROG_TYPES, ProgType

__all__ = ["CASES", "PROG_TYPES", "Case", "ProgType"]

CASES: tuple[Case, ...] = (
    *attach.CASES,
    *reserve.CASES,
    *commit.CASES,
    *wakeup.CASES,
    *access.CASES,
    *verifier.CASES,
)
