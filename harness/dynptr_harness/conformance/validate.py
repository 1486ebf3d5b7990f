"""Validation of the catalogue. It finds wrong rows before a run starts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dynptr_harness.conformance.c_sources import functions_of
from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.c_sources import Programs
    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.prog_types import ProgType

LOADERS = ("bcc", "libbpf")


def validate(
    cases: Sequence[Case],
    prog_types: Sequence[ProgType],
    not_tested: Mapping[str, str],
    programs: Programs,
) -> None:
    """Check the catalogue.

    Args:
        not_tested: reason for each row without a test.
        programs: all C functions.

    Raises:
        WrongUsage: a row is wrong. The message lists every fault.
    """
    found = list(faults(cases, prog_types, not_tested, programs))
    if found:
        raise WrongUsage(
            "\n  ".join(["the catalogue is wrong", *found]),
            "fix the rows in harness/dynptr_harness/conformance/cases/, or the programs in bpf_src/",
        )


def faults(
    cases: Sequence[Case],
    prog_types: Sequence[ProgType],
    not_tested: Mapping[str, str],
    programs: Programs,
) -> Iterator[str]:
    """Yield every fault of the catalogue, one line each."""
    for case_id, count in Counter(case.id for case in cases).items():
        if count > 1:
            yield f"{case_id}: {count} rows have this ID"
        if case_id in not_tested:
            yield f"{case_id}: it is a row, and an exception too"
    for case in cases:
        for fault in _faults_of(case, prog_types, programs):
            yield f"{case.id}: {fault}"


def _faults_of(case: Case, prog_types: Sequence[ProgType], programs: Programs) -> Iterator[str]:
    names = [prog_type.name for prog_type in prog_types]
    yield from (f"there is no program type '{name}'" for name in case.types if name not in names)
    yield from (f"there is no loader '{name}'" for name in case.loaders if name not in LOADERS)
    if not case.loaders:
        yield "it has no loader"
    applying = [prog_type for prog_type in prog_types if case.applies(prog_type)]
    for function in functions_of(case, applying):
        if function not in programs:
            yield f"there is no C function '{function}' in bpf_src"
    for difference in case.differences:
        if difference.experiment.request() != case.experiment.request():
            yield f"a difference asks the agent for something else than the case ({difference.source})"
