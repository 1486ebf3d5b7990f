"""The catalogue: all cases with their IDs.

A new case is one row in a module of `cases`. If it needs its own program, it is also one small C function in
bpf_src/cases/.

A row can have more loaders than it declares. A script whose object is 'steps' (the default) runs with BCC and
with libbpf, because bpf_src/ has its program for both. The row declares ('bcc',), the default, and
`_with_both_loaders` adds 'libbpf'.
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
    runs,
    verifier,
    wakeup,
)
from dynptr_harness.conformance.experiments.script import Script
from dynptr_harness.conformance.prog_types import PROG_TYPES, ProgType

__all__ = ["CASES", "PROG_TYPES", "Case", "ProgType"]


def _with_both_loaders(case: Case) -> Case:
    """Add libbpf to a row with a script of the object 'steps'. Return any other row unchanged."""
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
    *runs.CASES,
    *verifier.CASES,
)
CASES: tuple[Case, ...] = tuple(map(_with_both_loaders, _ROWS))
