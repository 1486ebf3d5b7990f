"""fuzz-programs on kernels that are made up: what counts as a failure, as a known defect, as a difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from dynptr_harness.commands import fuzz_programs
from dynptr_harness.commands.fuzz_programs import JudgedPrograms, ProgramFuzzer
from dynptr_harness.commands.fuzz_session import MAX_UNANSWERED, FuzzLimits
from dynptr_harness.conformance.fuzz import defects
from dynptr_harness.conformance.fuzz import programs as ast
from dynptr_harness.conformance.fuzz.compiler import compiled
from dynptr_harness.conformance.fuzz.oracle import Reason
from dynptr_harness.conformance.fuzz.programs import (
    Frame,
    If,
    ProgramStatement,
    RandomProgram,
    Release,
    Reserve,
    Write,
    walk,
)
from dynptr_harness.core.errors import EnvironmentFailed, ExitStatus
from dynptr_harness.vm.agent_client import RequestFailed
from dynptr_harness.vm.failures import FailureKind, MachineFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dynptr_harness.vm.launcher import Machines
    from dynptr_harness.vm.prepare import PreparedKernel

FRAME = Frame((-16, -32, -64, -80), -112, (-120, -128), (-144, -160, -176), (), -184)
KFUNCS = list(ast.KFUNCS)
NO_RUNS: dict[str, Any] = {"accepted": True, "runs": []}
REJECTED = {"accepted": False, "errno": 22, "log": "0: (b7) r0 = 0\nno reason at all\n"}


@dataclass
class _Kernel:
    """Machines of one kernel, which answers each program by a function of its code."""

    answer: Callable[[str], dict[str, Any]]
    kfuncs: list[str] = field(default_factory=lambda: KFUNCS)
    release: str = "6.12.1"
    has_helper: bool = True
    started: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        return {"release": self.release, "kfuncs": self.kfuncs, "has_helper": self.has_helper}

    async def start(self, _prepared: object) -> _Kernel:
        self.started += 1
        return self

    async def ask(self, request: dict[str, Any], _deadline: float) -> dict[str, Any]:
        return {"answers": [dict(self.answer(each["code"])) for each in request["programs"]]}

    async def kill(self) -> None:
        pass

    def fuzzer(self) -> ProgramFuzzer:
        prepared = cast("PreparedKernel", SimpleNamespace(kernel=SimpleNamespace(release=self.release)))
        return ProgramFuzzer(cast("Machines", self), prepared, lambda _line: None)

    def run(self, seed: int = 1, programs: int = 12) -> fuzz_programs.Result:
        return self.fuzzer().run(JudgedPrograms(seed), seed, FuzzLimits(inputs=programs))

    def run_programs(self, *programs: RandomProgram) -> fuzz_programs.Result:
        source = JudgedPrograms(1)
        judged = (fuzz_programs.judge(program, number) for number, program in enumerate(programs, 1))
        source._made = [each for each in judged if each]
        return self.fuzzer().run(source, 1, FuzzLimits(inputs=len(programs)))


def _program(*body: ProgramStatement) -> RandomProgram:
    return RandomProgram(body, FRAME, FRAME)


def _verdicts(seed: int, count: int) -> dict[str, fuzz_programs.Judged]:
    return {compiled(each.program).hex(): each for each in JudgedPrograms(seed).range(0, count)}


def test_a_kernel_that_agrees_has_no_failure() -> None:
    judged = _verdicts(1, 12)
    kernel = _Kernel(lambda code: REJECTED if judged[code].reasons else NO_RUNS)
    result = kernel.run()
    assert (len(result.answers), result.safe + result.unsafe, result.failures, result.refused) == (
        12,
        12,
        [],
        {},
    )
    assert result.safe > 3
    assert result.unsafe > 1


def test_an_accepted_unsafe_program_is_a_failure_and_reduced() -> None:
    result = _Kernel(lambda _code: NO_RUNS).run()
    assert result.failures
    for failure in result.failures:
        assert failure.judged.reasons
        assert "unsafe and accepted" in failure.lines[0]
        assert len(list(walk(failure.judged.program.body))) <= 2
    assert any("unsafe and accepted" in line for line in fuzz_programs.report(result))


def test_a_known_defect_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    defect = defects.Defect("everything is accepted", frozenset(Reason), "0123456789ab", fixed=(6, 13))
    monkeypatch.setattr(defects, "DEFECTS", (defect,))
    result = _Kernel(lambda _code: NO_RUNS).run()
    assert not result.failures
    assert result.known["everything is accepted"] == result.unsafe > 0
    assert _Kernel(lambda _code: NO_RUNS, release="6.13.1").run().failures


@pytest.mark.parametrize("merges", [True, False])
def test_states_that_are_taken_for_equal(merges: bool) -> None:
    """A kernel before 6.3 accepts a branch with a leak. It rejects the leak itself, or it does not."""
    leak: tuple[ProgramStatement, ...] = (Reserve(0, 8),)
    branch = _program(If(0, leak))
    straight = compiled(_program(*leak)).hex()
    kernel = _Kernel(lambda code: REJECTED if merges and code == straight else NO_RUNS, release="6.1.1")
    result = kernel.run_programs(branch)
    assert result.known.total() == merges
    assert len(result.failures) != merges
    newer = _Kernel(lambda code: REJECTED if code == straight else NO_RUNS, release="6.3.1").run_programs(
        branch
    )
    assert "it rejects the program without its branches on unknown values" in newer.failures[0].lines


def test_an_example_of_a_rejected_safe_program_is_reduced() -> None:
    """This kernel rejects every program with a release."""
    submit = bytes.fromhex("85000000c7000000").hex()
    long = _program(Reserve(0, 8), Write(0, 0, 4), Write(0, 4, 4), Release(0, discard=False))
    kernel = _Kernel(lambda code: REJECTED if submit in code else NO_RUNS)
    result = kernel.run_programs(long)
    example = result.examples["no reason at all"].program
    assert [type(each) for each in example.body] == [Reserve, Release]
    assert "    Release dynptr=0 discard=False" in list(fuzz_programs.report(result))


def test_a_rejected_safe_program_is_a_difference() -> None:
    result = _Kernel(lambda _code: REJECTED).run()
    assert not result.failures
    assert list(result.refused) == ["no reason at all"]
    assert len(result.refused["no reason at all"]) == result.safe


def test_reasons_that_differ_in_numbers_are_one() -> None:
    logs = iter(range(100))
    kernel = _Kernel(lambda _code: {**REJECTED, "log": f"infinite loop detected at insn {next(logs)}\n"})
    assert list(kernel.run(programs=6).refused) == ["infinite loop detected at insn N"]


def test_a_run_that_differs_is_a_failure() -> None:
    run = {"start": 0, "result": 0, "value": 7, "records": []}
    judged = _verdicts(1, 12)
    kernel = _Kernel(
        lambda code: REJECTED if code in judged and judged[code].reasons else {**NO_RUNS, "runs": [run]}
    )
    assert any(
        "returned 0x7" in line for failure in kernel.run(programs=3).failures for line in failure.lines
    )


RUN = {"start": 0, "result": 0, "value": 0}
RECORD = {"position": 0, "header": 4, "page_offset": 3, "payload": "01010101", "times": 1}


@pytest.mark.parametrize(
    ("seen", "difference"),
    [
        ({"records": [RECORD]}, ""),
        ({"records": []}, "headers []"),
        ({"records": [{**RECORD, "times": 2}]}, "headers ['0x4', '0x4']"),
        ({"records": [{**RECORD, "header": 4 | 1 << 31}]}, "0x80000004"),
        ({"records": [{**RECORD, "payload": "01010102"}]}, "holds 01010102, expected 01010101"),
        ({"records": [RECORD], "result": -22}, "BPF_PROG_RUN failed"),
        ({"records": [RECORD], "value": 1}, "returned 0x1"),
    ],
)
def test_a_run_is_compared_with_the_model(seen: dict[str, Any], difference: str) -> None:
    program = _program(Reserve(0, 4), Write(0, 0, 4), Release(0, discard=False))
    kernel = _Kernel(lambda _code: {**NO_RUNS, "runs": [{**RUN, **seen}]})
    judged, answer = kernel.fuzzer().replay(program)
    assert judged
    assert not judged.reasons
    assert answer
    assert difference in "".join(answer.different)
    assert bool(answer.different) == bool(difference)


def test_unsafe_programs_are_never_run() -> None:
    judged = JudgedPrograms(1).range(0, 40)
    requests = fuzz_programs.request(judged)["programs"]
    for each, sent in zip(judged, requests, strict=True):
        assert bool(sent["arguments"]) != bool(each.reasons)


def test_a_program_with_a_kfunc_that_the_kernel_lacks_is_not_loaded() -> None:
    judged = _verdicts(1, 40)
    result = _Kernel(lambda code: REJECTED if judged[code].reasons else NO_RUNS, kfuncs=[]).run(programs=40)
    absent = [n for n, each in enumerate(result.answers) if each is None]
    assert absent
    numbers = {each.number for each in judged.values() if each.program.kfuncs}
    assert {n + 1 for n in absent} == numbers


def test_kernels_that_disagree_are_listed() -> None:
    programs, results = JudgedPrograms(1), []
    for release, reply in (("6.12.1", NO_RUNS), ("6.13.1", REJECTED)):
        result = _Kernel(lambda _code, reply=reply: reply, release=release).fuzzer()  # type: ignore[misc]
        results.append(result.run(programs, 1, FuzzLimits(inputs=4)))
    lines = list(fuzz_programs.compare(results, programs))
    assert lines
    assert all("accepted by 6.12.1, rejected by 6.13.1: no reason at all" in line for line in lines)


def _fails_on(program: RandomProgram, kind: FailureKind, console: Path) -> _Kernel:
    """Return a kernel whose machine fails at one program. It rejects the others."""

    def answer(code: str) -> dict[str, Any]:
        if code == compiled(program).hex():
            raise MachineFailed(kind, "no sign of life", tail="", console=console)
        return REJECTED

    return _Kernel(answer)


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("kind", [FailureKind.CRASH, FailureKind.HANG])
def test_a_kernel_that_crashes_at_a_program_has_failed(kind: FailureKind, safe: bool, tmp_path: Path) -> None:
    judged = next(each for each in _verdicts(1, 12).values() if bool(each.reasons) != safe)
    kernel = _fails_on(judged.program, kind, tmp_path)
    result = kernel.run()
    assert kernel.started > 2
    assert (result.status, result.unanswered) == (ExitStatus.NOT_AS_EXPECTED, [])
    (failure,) = result.failures
    assert failure.lines == (f"machine {kind}: no sign of life",)
    again, reply = kernel.fuzzer().replay(judged.program)
    assert fuzz_programs.ProgramVerdict(again, reply).failed


@pytest.mark.parametrize("safe", [True, False])
def test_a_lost_machine_is_a_missing_answer(safe: bool, tmp_path: Path) -> None:
    judged = next(each for each in _verdicts(1, 12).values() if bool(each.reasons) != safe)
    kernel = _fails_on(judged.program, FailureKind.LOST, tmp_path)
    result = kernel.run()
    assert (result.status, result.failures) == (ExitStatus.ENVIRONMENT_FAILED, [])
    assert result.unanswered == ["machine lost: no sign of life"]
    assert (result.lacking, result.safe + result.unsafe) == (0, 11)
    assert "not answered: machine lost: no sign of life" in list(fuzz_programs.report(result))
    with pytest.raises(MachineFailed, match="machine lost"):
        kernel.fuzzer().replay(judged.program)


def test_a_request_that_fails_is_a_missing_answer() -> None:
    def answer(_code: str) -> dict[str, Any]:
        raise RequestFailed("OSError: all is lost")

    kernel = _Kernel(answer)
    result = kernel.run()
    assert (result.status, result.failures) == (ExitStatus.ENVIRONMENT_FAILED, [])
    assert set(result.unanswered) == {"the agent failed: OSError: all is lost"}
    with pytest.raises(RequestFailed, match="all is lost"):
        kernel.fuzzer().replay(_program())


def test_a_run_ends_after_many_missing_answers() -> None:
    def answer(_code: str) -> dict[str, Any]:
        raise RequestFailed("OSError: all is lost")

    result = _Kernel(answer).run(programs=1000)
    assert MAX_UNANSWERED <= result.done < 1000


@pytest.mark.parametrize("repeats", [True, False])
def test_a_warning_of_the_kernel_is_a_failure(repeats: bool) -> None:
    """The kernel warns while it rejects a program, each time or only the first time."""
    judged = JudgedPrograms(1).range(0, 12)[3]
    warned: list[str] = []

    class Warns(_Kernel):
        async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
            reply = await super().ask(request, deadline)
            codes = [each["code"] for each in request["programs"]]
            if compiled(judged.program).hex() in codes and (repeats or not warned):
                warned.append("WARNING: verifier bug")
                reply["splats"] = warned[-1:]
            return reply

    result = Warns(lambda _code: REJECTED).run()
    (failure,) = result.failures
    assert failure.lines[0] == "the kernel logged: WARNING: verifier bug"
    assert (failure.judged.number == judged.number) == repeats
    assert ("not seen again when each program was loaded alone" in failure.lines) != repeats


def test_a_kernel_without_the_helper() -> None:
    with pytest.raises(EnvironmentFailed, match="does not have bpf_ringbuf_reserve_dynptr"):
        _Kernel(lambda _code: NO_RUNS, has_helper=False).run()


def test_the_replay_file_holds_the_reduced_program(tmp_path: Path) -> None:
    result = _Kernel(lambda _code: NO_RUNS).run()
    failure = result.failures[0]
    path = fuzz_programs.write(failure, result, tmp_path)
    assert RandomProgram.from_json(path.read_text(), "x") == failure.judged.program
    verdict = fuzz_programs.ProgramVerdict(
        *_Kernel(lambda _code: NO_RUNS).fuzzer().replay(failure.judged.program)
    )
    assert verdict.failed
    assert "the kernel accepts it" in list(verdict.lines(failure.judged.program))
