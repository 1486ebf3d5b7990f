"""Any wrong answer of the verifier makes its case fail, for each program and each reason."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.experiments.capabilities import Capabilities, WithSysctl
from dynptr_harness.conformance.experiments.verifier import (
    HelperCall,
    Verification,
    VerifierProgram,
    last_reason,
)
from dynptr_harness.conformance.judge import judge
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.protocol.kfuncs import KFUNCS

from tests.unit.kernel_model import FACTS, KernelModel

if TYPE_CHECKING:
    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.judge import Judgement

RAW_TRACEPOINT = next(each for each in PROG_TYPES if each.name == "RAW_TRACEPOINT")
BY_ID = {case.id: case for case in CASES}


def verification_of(case: Case) -> Verification | None:
    inner = case.experiment.experiment if isinstance(case.experiment, WithSysctl) else case.experiment
    return inner if isinstance(inner, Verification) else None


ROWS = [(case, rows) for case in CASES if (rows := verification_of(case))]
PROGRAMS = [
    (case, each) for case, rows in ROWS for each in rows.programs if isinstance(each, VerifierProgram)
]
REFUSED = [(case, each) for case, each in PROGRAMS if each.errno]
RIGHTS = [case for case in CASES if isinstance(case.experiment, Capabilities)]

ANOTHER_REASON = {"accepted": False, "errno": 22, "log": "R0 !read_ok, though that is not why\n"}


def unknown_helper(helper: int) -> dict[str, Any]:
    return {"accepted": False, "errno": 22, "log": f"invalid func unknown#{helper}\n"}


def named(pairs: list[tuple[Case, VerifierProgram]]) -> list[str]:
    return [f"{case.id}-{program.name}" for case, program in pairs]


def judged(case: Case, reply: dict[str, Any], **facts: Any) -> Judgement:
    return judge(case, RAW_TRACEPOINT, {**FACTS, **facts}, reply)


def reply_to(case: Case) -> dict[str, Any]:
    return copy.deepcopy(KernelModel().answer(case.request(RAW_TRACEPOINT)))


def reply_with(case: Case, function: str, answer: dict[str, Any]) -> dict[str, Any]:
    reply = reply_to(case)
    reply["functions"][function] = answer
    return reply


@pytest.mark.parametrize(("case", "program"), PROGRAMS, ids=named(PROGRAMS))
def test_a_program_refused_for_another_reason_fails(case: Case, program: VerifierProgram) -> None:
    judgement = judged(case, reply_with(case, program.name, ANOTHER_REASON))
    assert (judgement.verdict, judgement.ok) == (Verdict.FAIL, False)
    assert "R0 !read_ok" in judgement.seen


@pytest.mark.parametrize(("case", "program"), REFUSED, ids=named(REFUSED))
def test_a_program_accepted_that_must_be_refused_fails(case: Case, program: VerifierProgram) -> None:
    assert not judged(case, reply_with(case, program.name, {"accepted": True})).ok


@pytest.mark.parametrize(("case", "program"), REFUSED, ids=named(REFUSED))
def test_a_program_refused_with_another_errno_fails(case: Case, program: VerifierProgram) -> None:
    answer = {**reply_to(case)["functions"][program.name], "errno": 1}
    assert not judged(case, reply_with(case, program.name, answer)).ok


@pytest.mark.parametrize("case", [case for case, _ in ROWS], ids=lambda case: case.id)
def test_a_program_that_was_not_tried_fails(case: Case) -> None:
    judgement = judged(case, {"functions": {}})
    assert not judgement.ok
    assert "not tried" in judgement.seen


@pytest.mark.parametrize("helper", range(198, 204))
def test_a_helper_that_the_kernel_does_not_know_fails(helper: int) -> None:
    case = BY_ID["VER-160"]
    (name,) = (
        each.name for each in programs_of(case) if isinstance(each, HelperCall) and each.helper == helper
    )
    assert judged(case, reply_with(case, name, unknown_helper(helper))).verdict is Verdict.FAIL


def test_a_kernel_before_the_helpers_must_name_each_of_them_as_unknown() -> None:
    case = BY_ID["VER-160"]
    calls = [each for each in programs_of(case) if isinstance(each, HelperCall)]
    unknown = {call.name: unknown_helper(call.helper) for call in calls}
    old = {"release": "5.10.0", "has_helper": False}
    assert judged(case, {"functions": unknown}, **old).verdict is Verdict.EXPECTED_DIFFERENCE
    unknown[calls[-1].name] = {"accepted": True}
    assert judged(case, {"functions": unknown}, **old).verdict is Verdict.FAIL


def programs_of(case: Case) -> tuple[VerifierProgram | HelperCall, ...]:
    rows = verification_of(case)
    assert rows
    return rows.programs


@pytest.mark.parametrize("case", [case for case, _ in ROWS], ids=lambda case: case.id)
def test_a_refused_program_has_a_twin_that_is_accepted(case: Case) -> None:
    programs = [each for each in programs_of(case) if isinstance(each, VerifierProgram)]
    assert not any(each.errno for each in programs) or any(not each.errno for each in programs)


@pytest.mark.parametrize("case", [case for case, _ in ROWS], ids=lambda case: case.id)
def test_a_refusal_has_a_reason_on_every_kernel(case: Case) -> None:
    """Except types that a kernel does not have: they are refused without a log."""
    for experiment in (case.experiment, *(each.experiment for each in case.differences)):
        rows = experiment.experiment if isinstance(experiment, WithSysctl) else experiment
        assert isinstance(rows, Verification)
        for each in rows.programs:
            if isinstance(each, VerifierProgram) and each.errno:
                assert each.reasons or case.id == "VER-162"


@pytest.mark.parametrize("case", RIGHTS, ids=lambda case: case.id)
def test_who_may_what_he_must_not_or_may_not_what_he_must_fails(case: Case) -> None:
    for i, holder in enumerate(reply_to(case)["holders"]):
        wrong = reply_to(case)
        wrong["holders"][i]["ring"] = 0 if holder["ring"] else 1
        assert not judged(case, wrong).ok
        for j, answer in enumerate(holder["programs"]):
            wrong = reply_to(case)
            wrong["holders"][i]["programs"][j] = (
                {"accepted": False, "errno": 13, "log": ""} if answer["accepted"] else {"accepted": True}
            )
            assert not judged(case, wrong).ok


KERNELS = [
    (
        "a defect of its time is known",
        "VER-116",
        "6.17.13",
        ("ver_116_read", "ver_116_write"),
        "known-defect",
    ),
    ("a defect that came back is not", "VER-116", "7.3.4", ("ver_116_read", "ver_116_write"), "fail"),
    ("half a defect is not the known one", "VER-116", "6.17.13", ("ver_116_read",), "fail"),
    ("a defect before its time is not known", "VER-031", "6.12.117", ("ver_031",), "fail"),
    ("a defect in its time is", "VER-031", "6.16.12", ("ver_031",), "known-defect"),
    ("a change back is expected on no kernel", "VER-049", "7.3.4", ("ver_049",), "fail"),
    ("a change is expected before it was made", "VER-049", "7.2.7", ("ver_049",), "expected-difference"),
]


@pytest.mark.parametrize(
    ("case_id", "release", "accepted", "verdict"),
    [row[1:] for row in KERNELS],
    ids=[row[0] for row in KERNELS],
)
def test_what_is_accepted_is_judged_by_the_kernel(
    case_id: str, release: str, accepted: tuple[str, ...], verdict: str
) -> None:
    reply = reply_to(BY_ID[case_id])
    for name in accepted:
        reply["functions"][name] = {"accepted": True}
    assert judged(BY_ID[case_id], reply, release=release).verdict == verdict


def test_an_answer_for_a_program_that_the_row_does_not_have_is_an_error() -> None:
    with pytest.raises(ValueError, match="ver_002"):
        Verification((VerifierProgram("ver_001"),), "release").with_answers(VerifierProgram("ver_002"))


LINES = [
    ("the last line", "0: r0 = 0\nR0 !read_ok\nprocessed 3 insns\n", "R0 !read_ok"),
    (
        "the last line before the report",
        "R0 !read_ok\nVerification failed: x\nSuggestion:\n  y\n",
        "R0 !read_ok",
    ),
    ("nothing", "\n", "(no log)"),
]


@pytest.mark.parametrize(("log", "line"), [row[1:] for row in LINES], ids=[row[0] for row in LINES])
def test_the_telling_line_of_a_log(log: str, line: str) -> None:
    assert last_reason(log) == line


def test_a_kernel_that_does_not_take_a_setting_shows_nothing() -> None:
    reply = {"unavailable": "net.core.bpf_jit_enable cannot be 0: Invalid argument"}
    judgement = judged(BY_ID["VER-163"], reply)
    assert (judgement.verdict, judgement.ok) == (Verdict.ABSENT, True)
    assert "bpf_jit_enable" in str(judgement.reason)


@pytest.mark.parametrize(
    ("release", "ok"), [("6.1.190", True), ("6.12.117", False)], ids=["too old", "new enough"]
)
def test_a_kernel_without_a_kfunc_is_as_expected_only_when_it_is_too_old(release: str, ok: bool) -> None:
    judgement = judged(BY_ID["VER-117"], {"functions": {}}, release=release, kfuncs=[])
    assert (judgement.verdict, judgement.ok) == (Verdict.ABSENT, ok)


def test_the_agent_looks_for_every_kfunc_that_a_case_needs() -> None:
    assert {kfunc for case in CASES for kfunc in case.kfuncs} <= set(KFUNCS)
