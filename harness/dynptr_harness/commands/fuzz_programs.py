"""The command `fuzz-programs`: load random programs and compare the verifier's answers with the oracle."""

from __future__ import annotations

import random
import re
import struct
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import TYPE_CHECKING, Any, TypeAlias

from dynptr_harness.commands.fuzz_session import FuzzRun, FuzzSession, KernelFailed
from dynptr_harness.conformance.fuzz import defects, oracle
from dynptr_harness.conformance.fuzz import programs as ast
from dynptr_harness.conformance.fuzz.compiler import compiled
from dynptr_harness.conformance.fuzz.deviations import simpler, straight
from dynptr_harness.conformance.fuzz.oracle import Reason, TooManyPaths
from dynptr_harness.conformance.fuzz.program_generator import ProgramGenerator
from dynptr_harness.conformance.model.features import documented
from dynptr_harness.conformance.model.ring import Ring
from dynptr_harness.core.errors import HarnessError
from dynptr_harness.core.kernel_version import KernelVersion
from dynptr_harness.core.signals import run_until_signal
from dynptr_harness.core.verifier_log import reason_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dynptr_harness.commands.fuzz_session import FuzzLimits
    from dynptr_harness.conformance.fuzz.programs import RandomProgram
    from dynptr_harness.conformance.model.ring import Record
    from dynptr_harness.vm.launcher import Machines
    from dynptr_harness.vm.prepare import PreparedKernel

Fails: TypeAlias = "Callable[[Judged, VerifierAnswer], tuple[str, ...]]"  # returns the reasons
Answer: TypeAlias = "VerifierAnswer | Unanswered | None"  # None: the kernel lacks a kfunc

BATCH = 64  # programs in a request
DEADLINE = 60.0  # seconds for one request
RING_SIZE = 4096
RUNS = 8  # of an accepted safe program, each with other arguments
SHRINK_ATTEMPTS = 300
MAX_WAYS = 64  # through a program
MAX_EXAMPLES = 12  # of safe programs that a kernel rejects
NUMBER = re.compile(r"(?<![a-z_])-?\d+")  # also in register names, not in a helper's name
CONTEXT = struct.Struct(f"<{ast.ARGUMENTS}Q")


@dataclass(frozen=True)
class Judged:
    """A program with the oracle's verdict. Without reasons it is safe."""

    number: int
    program: RandomProgram
    reasons: frozenset[Reason]


@dataclass(frozen=True)
class VerifierAnswer:
    """The answer of a kernel.

    Attributes:
        refusal: the verifier's reason with N for each number. None if it accepted the program.
        different: how the runs differ from the model, one line each.
        faults: a crash of the kernel, or what it logged that no correct kernel logs, one line each.
    """

    refusal: str | None
    log: str = ""
    different: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """True if the verifier accepted the program and the kernel had no fault."""
        return self.refusal is None and not self.faults

    @property
    def refused(self) -> bool:
        """True if the verifier rejected the program and the kernel had no fault."""
        return self.refusal is not None and not self.faults


@dataclass(frozen=True)
class Unanswered:
    """There is no answer, for a reason that is not the kernel's."""

    reason: str


@dataclass(frozen=True)
class Failure:
    """A program that a kernel must not accept, whose run differs from the model, or at which it faulted."""

    judged: Judged
    lines: tuple[str, ...]


@dataclass(frozen=True)
class ProgramVerdict:
    """The verdict about one program and the answer of a kernel.

    Attributes:
        judged: None if the program has too many paths.
        answer: None if the kernel lacks a kfunc that the program calls.
    """

    judged: Judged | None
    answer: VerifierAnswer | None

    @property
    def failed(self) -> bool:
        """True for a fault, an accepted unsafe program, and a run that differs from the model."""
        if not self.judged or not self.answer or self.answer.refused:
            return False
        return bool(self.answer.faults or self.judged.reasons or self.answer.different)

    def lines(self, program: RandomProgram) -> Iterator[str]:
        """Yield a report."""
        yield from ast.listing(program.body)
        if not self.judged:
            yield "the program has too many paths to be judged"
            return
        yield "the program is " + (
            f"unsafe: {', '.join(sorted(each.value for each in self.judged.reasons))}"
            if self.judged.reasons
            else "safe"
        )
        if not self.answer:
            yield "the kernel lacks a kfunc that the program calls"
        elif self.answer.faults:
            yield from self.answer.faults
        elif self.answer.accepted:
            yield "the kernel accepts it"
            yield from self.answer.different
        else:
            yield f"the kernel rejects it: {self.answer.refusal}"
            yield self.answer.log


@dataclass
class Result(FuzzRun):
    """The answers of one kernel.

    Attributes:
        answers: None for each program with a kfunc that the kernel lacks, and for one without an answer.
        lacking: number of programs with a kfunc that the kernel lacks.
        known: accepted unsafe programs by known defect.
        refused: safe programs that were rejected, by the verifier's reason.
        examples: one program for each of these reasons, reduced.
    """

    answers: list[VerifierAnswer | None] = field(default_factory=list)
    lacking: int = 0
    safe: int = 0
    unsafe: int = 0
    runs: int = 0
    known: Counter[str] = field(default_factory=Counter)
    refused: dict[str, list[Judged]] = field(default_factory=dict)
    examples: dict[str, Judged] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def done(self) -> int:
        """The number of programs, with those that have no answer."""
        return len(self.answers)

    @property
    def failed(self) -> int:
        """The number of failures."""
        return len(self.failures)


class JudgedPrograms:
    """The programs of a seed with their verdicts, made when they are needed."""

    def __init__(self, seed: int) -> None:
        self._generator = ProgramGenerator(random.Random(seed))  # noqa: S311  (not for secrets)
        self._made: list[Judged] = []

    def range(self, first: int, last: int) -> list[Judged]:
        """Return programs by number."""
        while len(self._made) < last:
            program = self._generator.program()
            if (judged := judge(program, len(self._made) + 1)) is not None:
                self._made.append(judged)
        return self._made[first:last]


def judge(program: RandomProgram, number: int = 0) -> Judged | None:
    """Return a program with its verdict, None if it has too many paths."""
    try:
        return Judged(number, program, frozenset(oracle.reasons(program)))
    except TooManyPaths:
        return None


class ProgramFuzzer(FuzzSession):
    """Loads programs into one kernel."""

    def __init__(self, machines: Machines, prepared: PreparedKernel, tell: Callable[[str], None]) -> None:
        super().__init__(machines, prepared, tell)
        self._version = (0, 0)
        self._kfuncs: frozenset[str] = frozenset()

    def run(self, programs: JudgedPrograms, seed: int, limits: FuzzLimits) -> Result:
        """Load programs until a limit is reached or `MAX_FOUND` failures were found.

        Raises:
            EnvironmentFailed: the kernel lacks the helper.
            Interrupted: a signal ended the run.
        """
        return run_until_signal(self._run(programs, seed, limits))

    def replay(self, program: RandomProgram) -> tuple[Judged | None, VerifierAnswer | None]:
        """Load one program. Return the verdict and the answer. Raises as `run`."""
        return run_until_signal(self._replay(program))

    async def _run(self, programs: JudgedPrograms, seed: int, limits: FuzzLimits) -> Result:
        result = Result(self._prepared.kernel.release, seed)
        try:
            await self._set_up()
            began = time.monotonic()
            while not limits.reached(began, result.done) and result.may_continue:
                batch = programs.range(result.done, result.done + limits.cut(BATCH, result.done))
                for judged, answer in zip(batch, await self._answers(batch), strict=True):
                    await self._count(judged, answer, result)
                result.seconds = time.monotonic() - began
            await self._add_examples(result)
            return result
        finally:
            await self._drop()

    async def _replay(self, program: RandomProgram) -> tuple[Judged | None, VerifierAnswer | None]:
        try:
            await self._set_up()
            judged = judge(program)
            return judged, await self._answer(judged) if judged else None
        finally:
            await self._drop()

    async def _set_up(self) -> None:
        facts = await self._facts()
        self._version = KernelVersion(facts["release"]).major_minor
        self._kfuncs = frozenset(facts["kfuncs"])

    async def _count(self, judged: Judged, answer: Answer, result: Result) -> None:
        result.answers.append(answer if isinstance(answer, VerifierAnswer) else None)
        if isinstance(answer, Unanswered):
            result.unanswered.append(answer.reason)
        elif answer is None:
            result.lacking += 1
        else:
            result.safe += not judged.reasons
            result.unsafe += bool(judged.reasons)
            await self._compare(judged, answer, result)

    async def _compare(self, judged: Judged, answer: VerifierAnswer, result: Result) -> None:
        if answer.faults:
            result.failures.append(await self._reduced(judged, answer.faults, _faults))
        elif judged.reasons and answer.accepted:
            await self._accepted(judged, result)
        elif answer.refusal is not None and not judged.reasons:
            result.refused.setdefault(answer.refusal, []).append(judged)
        elif answer.accepted:
            result.runs += len(_arguments(judged.program))
            if answer.different:
                result.failures.append(await self._reduced(judged, answer.different, _different))

    async def _accepted(self, judged: Judged, result: Result) -> None:
        """Count an accepted unsafe program as a known defect, or as a failure."""
        if defect := defects.known(judged.program, judged.reasons, self._version):
            result.known[defect.text] += 1
            return
        lines = _unsafe(judged, VerifierAnswer(None))
        failure = await self._reduced(judged, lines, _unsafe)
        small = failure.judged
        merges = await self._merges_states(small)
        if defect := defects.known(small.program, small.reasons, self._version, merges_states=merges):
            result.known[defect.text] += 1
            return
        if merges:
            lines = (*failure.lines, "it rejects the program without its branches on unknown values")
            failure = replace(failure, lines=lines)
        result.failures.append(failure)

    async def _reduced(self, judged: Judged, lines: tuple[str, ...], fails: Fails) -> Failure:
        self._tell(f"program {judged.number}: {lines[0]}")
        return await self._shrunk(judged, lines, fails)

    async def _merges_states(self, judged: Judged) -> bool:
        """Return True if the kernel rejects each unsafe way through the program on its own."""
        bodies = list(islice(straight(judged.program.body), MAX_WAYS))
        ways = [judge(replace(judged.program, body=body)) for body in bodies]
        unsafe = [way for way in ways if way and way.reasons]
        return bool(unsafe) and all(
            isinstance(answer, VerifierAnswer) and answer.refused for answer in await self._answers(unsafe)
        )

    async def _shrunk(self, judged: Judged, lines: tuple[str, ...], fails: Fails) -> Failure:
        """Return the smallest program that was found to fail, with what `fails` says of it."""
        attempts, smaller = SHRINK_ATTEMPTS, True
        while smaller and attempts > 0:
            smaller = False
            for programs in _chunks(simpler(judged.program)):
                attempts -= len(programs)
                candidates = [each for program in programs if (each := judge(program, judged.number))]
                answers = zip(candidates, await self._answers(candidates), strict=True)
                failing = (
                    (each, fails(each, answer))
                    for each, answer in answers
                    if isinstance(answer, VerifierAnswer)
                )
                found = next(((each, said) for each, said in failing if said), None)
                if found:
                    judged, lines = found
                    smaller = True
                if smaller or attempts <= 0:
                    break
        return Failure(judged, lines)

    async def _add_examples(self, result: Result) -> None:
        """Reduce one of the safe programs for each reason for which the kernel rejects some."""
        for refusal, programs in list(result.refused.items())[:MAX_EXAMPLES]:
            shortest = min(programs, key=lambda each: len(list(ast.walk(each.program.body))))

            def rejected(judged: Judged, answer: VerifierAnswer, refusal: str = refusal) -> tuple[str, ...]:
                return (refusal,) if not judged.reasons and answer.refusal == refusal else ()

            result.examples[refusal] = (await self._shrunk(shortest, (refusal,), rejected)).judged

    async def _answers(self, batch: Sequence[Judged]) -> list[Answer]:
        """Load programs in one request. If it fails, or the kernel logs a fault, load them one by one."""
        usable = [judged for judged in batch if self._is_usable(judged)]
        try:
            reply = await self._ask(request(usable), DEADLINE) if usable else {"answers": []}
        except (HarnessError, KernelFailed):
            return [await self._answer_or_reason(judged) for judged in batch]
        faults = _logged(reply)
        if faults:
            alone = [await self._answer_or_reason(judged) for judged in batch]
            if any(isinstance(answer, VerifierAnswer) and answer.faults for answer in alone):
                return alone
        replies = iter(reply["answers"])
        answers: list[Answer] = [
            self._answer_of(judged, next(replies)) if self._is_usable(judged) else None for judged in batch
        ]
        return _with_faults(answers, faults)

    async def _answer_or_reason(self, judged: Judged) -> Answer:
        try:
            return await self._answer(judged)
        except HarnessError as failed:
            return Unanswered(str(failed))

    async def _answer(self, judged: Judged) -> VerifierAnswer | None:
        """Load one program. Return None if the kernel lacks a kfunc that it calls.

        Raises:
            HarnessError: there is no answer, for a reason that is not the kernel's.
        """
        if not self._is_usable(judged):
            return None
        try:
            reply = await self._ask(request([judged]), DEADLINE)
        except KernelFailed as failed:
            return VerifierAnswer(None, faults=(str(failed),))
        (answer,) = reply["answers"]
        return replace(self._answer_of(judged, answer), faults=_logged(reply))

    def _is_usable(self, judged: Judged) -> bool:
        return judged.program.kfuncs <= self._kfuncs

    def _answer_of(self, judged: Judged, reply: dict[str, Any]) -> VerifierAnswer:
        if not reply["accepted"]:
            reason = reason_in(reply["log"], reply["errno"])
            return VerifierAnswer(NUMBER.sub("N", reason), reply["log"])
        return VerifierAnswer(None, different=tuple(self._differences(judged, reply["runs"])))

    def _differences(self, judged: Judged, runs: list[dict[str, Any]]) -> Iterator[str]:
        """Yield how runs differ from every documented behaviour of this kernel."""
        if judged.reasons:
            return
        for numbers, seen in zip(_arguments(judged.program), runs, strict=False):
            found = [differences(judged.program, numbers, seen, each) for each in documented(self._version)]
            if all(found):
                yield f"arguments {numbers}: {found[0]}"


def _logged(reply: dict[str, Any]) -> tuple[str, ...]:
    """Return the lines about faults that the kernel logged during a request."""
    return tuple(f"the kernel logged: {line}" for line in reply.get("splats", ()))


def _with_faults(answers: list[Answer], faults: tuple[str, ...]) -> list[Answer]:
    """Return the answers of a batch. Its faults, which no program causes alone, go to the last answer."""
    if not faults:
        return answers
    last = max(n for n, answer in enumerate(answers) if isinstance(answer, VerifierAnswer))
    lines = (*faults, "not seen again when each program was loaded alone")
    return [
        replace(answer, faults=lines) if n == last and isinstance(answer, VerifierAnswer) else answer
        for n, answer in enumerate(answers)
    ]


def _faults(_judged: Judged, answer: VerifierAnswer) -> tuple[str, ...]:
    """Return the faults of the kernel."""
    return answer.faults


def _unsafe(judged: Judged, answer: VerifierAnswer) -> tuple[str, ...]:
    """Return why a program is unsafe that the kernel accepted."""
    if not answer.accepted:
        return ()
    return tuple(f"unsafe and accepted: {each.value}" for each in judged.reasons)


def _different(judged: Judged, answer: VerifierAnswer) -> tuple[str, ...]:
    """Return how the runs of a safe program differ from the model."""
    return answer.different if answer.accepted and not judged.reasons else ()


def _chunks(programs: Iterator[RandomProgram]) -> Iterator[list[RandomProgram]]:
    """Yield programs in lists, the first one short: often the first simplification fits."""
    size = 8
    while chunk := list(islice(programs, size)):
        yield chunk
        size = 32


def _arguments(program: RandomProgram) -> list[tuple[int, ...]]:
    """Return the arguments of the runs: combinations of the lowest bits that the program uses."""
    used = {ast.KEPT_ARGUMENT} | {
        each.argument for each in ast.walk(program.body) if isinstance(each, ast.If)
    }
    others = random.Random(len(used))  # noqa: S311
    numbers = []
    for bits in islice(product((0, 1), repeat=len(used)), 0, None, max(1, 2 ** len(used) // RUNS)):
        each = [others.randrange(1 << 16) for _ in range(ast.ARGUMENTS)]
        for argument, bit in zip(sorted(used), bits, strict=True):
            each[argument] = each[argument] & ~1 | bit
        numbers.append(tuple(each))
    return numbers[:RUNS]


def request(batch: Sequence[Judged]) -> dict[str, Any]:
    """Return the request that loads programs and runs the safe ones."""
    return {
        "kind": "code",
        "prog_type": "RAW_TRACEPOINT",
        "loader": "libbpf",
        "ring_size": RING_SIZE,
        "kfuncs": list(ast.KFUNCS),
        "programs": [
            {
                "code": compiled(judged.program).hex(),
                "frequent": judged.program.frequent,
                "arguments": []
                if judged.reasons
                else [CONTEXT.pack(*numbers).hex() for numbers in _arguments(judged.program)],
            }
            for judged in batch
        ],
    }


def differences(program: RandomProgram, numbers: tuple[int, ...], seen: dict[str, Any], features: Any) -> str:
    """Return how a run differs from the model, or nothing."""
    start = seen["start"]
    ring = Ring(
        RING_SIZE,
        pending_position=features.pending_position,
        new=False,
        consumer=start,
        producer=start,
        pending=start,
    )
    value = oracle.run(program, numbers, ring, features)
    if seen["result"]:
        return f"BPF_PROG_RUN failed: {seen['result']}"
    if value is not None and value != seen["value"]:
        return f"the program returned {seen['value']:#x}, expected {value:#x}"
    records = [record for record in seen["records"] for _ in range(record["times"])]
    expected = ring.unread()
    headers = [hex(record["header"]) for record in records]
    if headers != (wanted := [hex(record.header) for record in expected]):
        return f"records with headers {headers}, expected {wanted}"
    for record, want in zip(records, expected, strict=True):
        if difference := _payload_difference(ring, want, record["payload"]):
            return difference
    return ""


def _payload_difference(ring: Ring, record: Record, payload: str) -> str:
    expected = ring.payload(record)
    if " " in payload or expected.matches(bytes.fromhex(payload)):  # a digest is not compared
        return ""
    return f"a record of {record.size} bytes holds {payload}, expected {expected}"


def write(failure: Failure, result: Result, directory: Path) -> Path:
    """Write a replay file and return its path."""
    path = directory / f"fuzz-program-{result.release}-{result.seed}-{failure.judged.number}.json"
    text = failure.judged.program.as_json(
        release=result.release,
        seed=result.seed,
        number=failure.judged.number,
        differences=list(failure.lines),
        code=compiled(failure.judged.program).hex(),
    )
    path.write_text(text)
    return path


def report(result: Result) -> Iterator[str]:
    """Yield the lines of the summary of one kernel."""
    refused = sum(map(len, result.refused.values()))
    yield (
        f"Linux {result.release}, seed {result.seed}: {len(result.answers)} programs "
        f"in {result.seconds:.1f} s, {result.lacking} with kfuncs that it lacks, "
        f"{len(result.unanswered)} not answered"
    )
    yield from result.missing_answers()
    yield f"  safe: {result.safe}, {refused} of them rejected, {result.runs} runs"
    yield f"  unsafe: {result.unsafe}, {result.known.total()} accepted because of known defects"
    yield f"  failures: {len(result.failures)}"
    yield from (f"  {count} times: {text}" for text, count in result.known.most_common())
    for refusal, programs in sorted(result.refused.items(), key=lambda each: -len(each[1])):
        numbers = ", ".join(str(each.number) for each in programs[:3])
        yield f"  {len(programs)} safe, rejected: {refusal} (programs {numbers})"
        if example := result.examples.get(refusal):
            yield from ast.listing(example.program.body, "    ")
    for failure in result.failures:
        yield f"program {failure.judged.number}, reduced to:"
        yield from ast.listing(failure.judged.program.body, "  ")
        yield from (f"  {line}" for line in failure.lines)


def compare(results: Sequence[Result], programs: JudgedPrograms) -> Iterator[str]:
    """Yield how kernels disagree: the groups of kernels, with the number of programs."""
    groups: dict[str, list[int]] = {}
    for number, answers in enumerate(zip(*(each.answers for each in results), strict=False)):
        if any(each is None or each.faults for each in answers):
            continue
        accepted = [each is not None and each.accepted for each in answers]
        if len(set(accepted)) > 1:
            (judged,) = programs.range(number, number + 1)
            names = {
                True: [r.release for r, yes in zip(results, accepted, strict=True) if yes],
                False: [r.release for r, yes in zip(results, accepted, strict=True) if not yes],
            }
            refusal = next(each.refusal for each in answers if each and each.refusal is not None)
            text = (
                f"{'unsafe' if judged.reasons else 'safe'}, accepted by {', '.join(names[True])}, "
                f"rejected by {', '.join(names[False])}: {refusal}"
            )
            groups.setdefault(text, []).append(judged.number)
    for text, numbers in sorted(groups.items(), key=lambda each: -len(each[1])):
        yield f"{len(numbers)} programs {text} (programs {', '.join(map(str, numbers[:3]))})"
