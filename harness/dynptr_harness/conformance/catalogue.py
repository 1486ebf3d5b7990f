"""The catalogue: every case with its stable ID.

A new case is one row in a module of `cases`; where it needs a program of its own, also one small C function
in bpf_src/cases/.
"""

from __future__ import annotations

from dataclasses import replace

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.cases import (
    access,
    attach,
    availability,
    commit,
    examples,
    kfuncs,
    load,
    maps,
    overwrite,
    protocol,
    reserve,
    verifier,
    wakeup,
)
from dynptr_harness.conformance.experiments.script import Script
from dynptr_harness.conformance.prog_types import PROG_TYPES, ProgType

__all__ = ["CASES", "PROG_TYPES", "Case", "ProgType"]


def _through_both(case: Case) -> Case:
    """Steps are done by two programs of the same text: BCC's, and one that clang compiles for libbpf."""
    script = isinstance(case.experiment, Script) and case.experiment.object == "steps"
    if script and case.loaders == ("bcc",):
        return replace(case, loaders=("bcc", "libbpf"))
    return case


_ROWS = (
    *attach.CASES,
    *examples.CASES,
    *availability.CASES,
    *reserve.CASES,
    *commit.CASES,
    *wakeup.CASES,
    *access.CASES,
    *kfuncs.CASES,
    *maps.CASES,
    *overwrite.CASES,
    *protocol.CASES,
    *load.CASES,
    *verifier.CASES,
)
CASES: tuple[Case, ...] = tuple(map(_through_both, _ROWS))
