"""The judge fails a program with an unexpected result or record."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.experiments.prog_run import ProgRuns
from dynptr_harness.conformance.judge import judge
from dynptr_harness.conformance.verdict import Verdict

from tests.unit.kernel_model import FACTS, KernelModel

if TYPE_CHECKING:
    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.judge import Judgement

ROWS = [(case, case.experiment) for case in CASES if isinstance(case.experiment, ProgRuns)]
RUNS = [(case, number) for case, program in ROWS for number in range(len(program.runs))]
EACH_RUN = pytest.mark.parametrize(("case", "number"), RUNS, ids=[f"{case.id}-{n}" for case, n in RUNS])
EACH_ROW = pytest.mark.parametrize("case", [case for case, _ in ROWS], ids=lambda case: case.id)
OVERLAP = next(case for case, program in ROWS if program.function == "write_forward")


def reply_to(case: Case) -> dict[str, Any]:
    prog_type = next(each for each in PROG_TYPES if each.name == case.types[0])
    return copy.deepcopy(KernelModel().answer(case.request(prog_type, "libbpf")))


def judged(case: Case, reply: dict[str, Any], **facts: Any) -> Judgement:
    prog_type = next(each for each in PROG_TYPES if each.name == case.types[0])
    return judge(case, prog_type, {**FACTS, **facts}, reply)


@EACH_ROW
def test_a_correct_kernel_passes(case: Case) -> None:
    assert judged(case, reply_to(case)).verdict is Verdict.PASS


@EACH_RUN
def test_a_wrong_result_fails(case: Case, number: int) -> None:
    program = case.experiment
    assert isinstance(program, ProgRuns)
    for position in range(len(program.runs[number].results)):
        reply = reply_to(case)
        reply["runs"][number]["results"][position] += 1
        assert judged(case, reply).verdict is Verdict.FAIL


@EACH_RUN
@pytest.mark.parametrize("field", ["error", "answer"])
def test_a_failed_run_or_a_wrong_return_value_fails(case: Case, number: int, field: str) -> None:
    reply = reply_to(case)
    reply["runs"][number][field] -= 1
    assert judged(case, reply).verdict is Verdict.FAIL


@EACH_RUN
def test_a_wrong_missing_or_extra_record_fails(case: Case, number: int) -> None:
    records = reply_to(case)["runs"][number]["records"]
    for wrong in ([*records, "00"], records[:-1], [f"ff{record[2:]}" for record in records]):
        reply = reply_to(case)
        reply["runs"][number]["records"] = wrong
        assert judged(case, reply).ok == (wrong == records)


@EACH_ROW
def test_a_missing_run_fails(case: Case) -> None:
    reply = reply_to(case)
    reply["runs"].pop()
    assert judged(case, reply).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("release", "record", "verdict"),
    [
        ("6.1.190", "ff" * 64, Verdict.KNOWN_DEFECT),
        ("6.1.190", "ff" * 63, Verdict.FAIL),
        ("6.2.0", "ff" * 64, Verdict.FAIL),
    ],
    ids=["damaged by an old kernel", "too short", "damaged by a newer kernel"],
)
def test_only_old_kernels_may_damage_overlapping_copies(release: str, record: str, verdict: Verdict) -> None:
    reply = reply_to(OVERLAP)
    reply["runs"][0]["records"] = [record]
    assert judged(OVERLAP, reply, release=release).verdict is verdict
