"""The command `fuzz`: run random sequences on kernels and compare the replies with the model."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynptr_harness.commands.fuzz_session import FuzzRun, FuzzSession, KernelFailed
from dynptr_harness.conformance.fuzz.coverage import Coverage
from dynptr_harness.conformance.fuzz.generator import Generator
from dynptr_harness.conformance.fuzz.sequence import Sequence, Setting
from dynptr_harness.conformance.fuzz.shrink import shrink
from dynptr_harness.conformance.model.features import documented
from dynptr_harness.core.errors import EnvironmentFailed, HarnessError
from dynptr_harness.core.kernel_version import KernelVersion
from dynptr_harness.core.signals import run_until_signal
from dynptr_harness.vm.failures import MachineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dynptr_harness.commands.fuzz_session import FuzzLimits
    from dynptr_harness.vm.launcher import Machines
    from dynptr_harness.vm.prepare import PreparedKernel

DEADLINE = 30.0  # seconds for one sequence
SHRINK_ATTEMPTS = 400


@dataclass(frozen=True)
class Found:
    """A sequence whose replies differ from the model.

    Attributes:
        number: of the sequence in the run.
        differences: one line each. The line of a crash ends with its reason.
        start: producer position of the ring before the sequence.
    """

    number: int
    sequence: Sequence
    differences: tuple[str, ...]
    start: int = 0


@dataclass
class FuzzResult(FuzzRun):
    """The findings of a run on one kernel."""

    prog_type: str = field(kw_only=True)
    sequences: int = 0
    acts: int = 0
    found: list[Found] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)

    @property
    def done(self) -> int:
        """The number of sequences, with those that have no answer."""
        return self.sequences + len(self.unanswered)

    @property
    def failed(self) -> int:
        """The number of sequences that differ."""
        return len(self.found)


class Fuzzer(FuzzSession):
    """Runs sequences on one kernel."""

    def __init__(
        self, machines: Machines, prepared: PreparedKernel, prog_type: str, tell: Callable[[str], None]
    ) -> None:
        super().__init__(machines, prepared, tell)
        self._prog_type = prog_type

    def run(self, seed: int, limits: FuzzLimits) -> FuzzResult:
        """Run random sequences until a limit is reached or `MAX_FOUND` differences were found.

        Raises:
            EnvironmentFailed: the kernel lacks the helper.
            Interrupted: a signal ended the run.
        """
        return run_until_signal(self._run(seed, limits))

    def replay(self, sequence: Sequence) -> list[str]:
        """Run one sequence and return its differences. Raises the errors of `run`."""
        return run_until_signal(self._replay(sequence))

    async def _run(self, seed: int, limits: FuzzLimits) -> FuzzResult:
        try:
            setting = await self._setting()
            result = FuzzResult(self._prepared.kernel.release, seed, prog_type=self._prog_type)
            generator = Generator(random.Random(seed), setting)  # noqa: S311  (not for secrets)
            began = time.monotonic()
            while not limits.reached(began, result.done) and result.may_continue:
                chunk = generator.chunk()
                await self._chunk(chunk[: limits.cut(len(chunk), result.done)], setting, result)
                result.seconds = time.monotonic() - began
            return result
        finally:
            await self._drop()

    async def _replay(self, sequence: Sequence) -> list[str]:
        try:
            setting = await self._setting()
            return (await self._differences(sequence.timed(setting), setting))[0]
        finally:
            await self._drop()

    async def _setting(self) -> Setting:
        facts = await self._facts()
        features = documented(KernelVersion(facts["release"]).major_minor)
        return Setting(self._prog_type, frozenset(facts["kfuncs"]), features)

    async def _chunk(self, chunk: list[Sequence], setting: Setting, result: FuzzResult) -> None:
        """Run sequences in one batch. After a failure the rest runs one by one."""
        done = 0
        try:
            machine = await self._ready()
            requests = [sequence.request(self._prog_type) for sequence in chunk]
            async for reply in machine.request_batch(requests, DEADLINE):
                await self._judge(chunk[done], reply, setting, result)
                done += 1
        except MachineFailed:
            self._machine = None
        except HarnessError:
            pass  # each of the rest says why it has no answer
        for sequence in chunk[done:]:
            try:
                differences, reply = await self._differences(sequence, setting)
            except HarnessError as failed:
                result.unanswered.append(str(failed))
                continue
            await self._judge(sequence, reply, setting, result, differences)

    async def _judge(
        self,
        sequence: Sequence,
        reply: dict[str, Any],
        setting: Setting,
        result: FuzzResult,
        differences: list[str] | None = None,
    ) -> None:
        result.sequences += 1
        result.acts += len(sequence.acts)
        self._cover(sequence, setting, result)
        if differences is None:
            differences = _differences(sequence, setting, reply)
        if differences:
            start = reply.get("acts", [{}])[0].get("producer", 0)
            result.found.append(await self._shrunk(sequence, setting, differences, start, result.sequences))

    def _cover(self, sequence: Sequence, setting: Setting, result: FuzzResult) -> None:
        model = sequence.model(setting.features[0], setting.kfuncs, 8 * sequence.ring_size)
        for act in sequence.acts:
            result.coverage.note(model, act, model.perform(act))

    async def _shrunk(
        self, sequence: Sequence, setting: Setting, differences: list[str], start: int, number: int
    ) -> Found:
        """Return the smallest sequence that differs, on a new ring if it also differs there."""
        self._tell(f"sequence {number} differs: {differences[0]}")

        async def fails(candidate: Sequence) -> bool:
            try:
                return bool((await self._differences(candidate.timed(setting), setting))[0])
            except HarnessError:
                return False

        fresh = Sequence(sequence.program, sequence.ring_size, sequence.acts, new_ring=True)
        if await fails(fresh):
            sequence, start = fresh, 0
        elif not await fails(sequence):
            return Found(number, sequence, (*differences, "not seen again when it was repeated"), start)
        small = await shrink(sequence, fails, lambda each: each.is_valid(setting), attempts=SHRINK_ATTEMPTS)
        small = small.timed(setting)
        with suppress(HarnessError):
            differences = (await self._differences(small, setting))[0] or differences
        return Found(number, small, tuple(differences), start)

    async def _differences(self, sequence: Sequence, setting: Setting) -> tuple[list[str], dict[str, Any]]:
        """Run one sequence and return its differences and the reply.

        Raises:
            HarnessError: there is no answer, for a reason that is not the kernel's.
        """
        try:
            reply = await self._ask(sequence.request(self._prog_type), DEADLINE)
        except KernelFailed as failed:
            return [str(failed)], {}
        return _differences(sequence, setting, reply), reply


def _differences(sequence: Sequence, setting: Setting, reply: dict[str, Any]) -> list[str]:
    if "acts" not in reply:
        raise EnvironmentFailed(f"the program cannot run: {reply}", "use another program type")
    splats = [f"the kernel logged: {line}" for line in reply.get("splats", [])]
    return [*splats, *map(str, sequence.differences(setting, reply["acts"]))]


def write(found: Found, result: FuzzResult, directory: Path) -> Path:
    """Write a replay file and return its path."""
    path = directory / f"fuzz-{result.release}-{result.seed}-{found.number}.json"
    text = found.sequence.as_json(
        release=result.release,
        prog_type=result.prog_type,
        seed=result.seed,
        number=found.number,
        start=found.start,
        differences=list(found.differences),
    )
    path.write_text(text)
    return path


def report(result: FuzzResult, *, coverage: bool) -> Iterator[str]:
    """Yield the lines of the summary, and of the coverage if `coverage` is set."""
    rate = result.sequences / result.seconds if result.seconds else 0
    yield (
        f"Linux {result.release}, {result.prog_type}, seed {result.seed}: {result.sequences} sequences of "
        f"{result.acts} actions in {result.seconds:.1f} s ({rate:.0f} per second), "
        f"{len(result.found)} different, {len(result.unanswered)} not answered"
    )
    yield from result.missing_answers()
    for found in result.found:
        yield f"sequence {found.number}, reduced to:"
        yield from (f"  {number}. {act}" for number, act in enumerate(found.sequence.acts, 1))
        yield from (f"  {line}" for line in found.differences)
    if coverage:
        yield from (f"{count:10} {name}" for name, count in sorted(result.coverage.counts.items()))
