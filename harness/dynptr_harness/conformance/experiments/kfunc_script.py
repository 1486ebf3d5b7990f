"""Rows with steps that call kfuncs, run by bpf_src/elf/kfunc_steps.bpf.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.script import KFUNC_OF, Event, Script, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.conformance.experiments.script import Act, Step

WIDENED = (
    "since v6.19 sizes and offsets have 64 bits (commit 531b87d865eb); older kernels ignore the upper half"
)


def kfunc_row(
    case_id: str, title: str, acts: tuple[Act, ...], source: str, *, narrow: tuple[Act, ...] = ()
) -> Case:
    """Return a row of actions with steps that call kfuncs.

    Args:
        narrow: the same actions, with the results of kernels with 32-bit sizes and offsets.
    """
    by = "kfunc_steps"
    differences = (Difference(script(*narrow, by=by), WIDENED, before=(6, 19)),) if narrow else ()
    experiment = script(*acts, by=by)
    kfuncs = tuple(dict.fromkeys(_kfuncs(experiment)))
    return Case(case_id, title, experiment, source, differences, loaders=("libbpf",), kfuncs=kfuncs)


def _kfuncs(experiment: Script) -> Iterator[str]:
    steps = [step for act in experiment.acts if isinstance(act, Event) for step in act.steps]
    for step in steps:
        yield from _of_step(step)


def _of_step(step: Step) -> Iterator[str]:
    if step.clone is not None:
        yield "bpf_dynptr_clone"
    yield from (KFUNC_OF[access.op] for access in step.accesses if access.op in KFUNC_OF)
