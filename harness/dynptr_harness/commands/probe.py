"""The command `probe`: load a user's programs on kernels and report refusals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dynptr_harness.commands.user_program import FileRefused
from dynptr_harness.conformance import plan
from dynptr_harness.conformance.catalogue import PROG_TYPES
from dynptr_harness.core.errors import HarnessError, WrongUsage
from dynptr_harness.core.refusal import Refuser, refusal
from dynptr_harness.report.probe import WHOLE_FILE, Answer
from dynptr_harness.vm.failures import FailureKind, MachineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynptr_harness.commands.user_program import CompileFailed, GivenSource, UserProgram
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.refusal import Refusal
    from dynptr_harness.vm.launcher import Machines
    from dynptr_harness.vm.machine import Machine
    from dynptr_harness.vm.prepare import OnFailure, PreparedKernel

LOAD_DEADLINE = 600.0  # seconds; an emulated guest takes minutes for a verifier log of 100 MB


@dataclass(frozen=True)
class Wanted:
    """Functions and program types to load; empty for all. Types are names or globs.

    Without a type, a program with a section is loaded by its section.
    """

    functions: tuple[str, ...] = ()
    prog_types: tuple[str, ...] = ()

    def prog_types_for(self, source: UserProgram) -> Sequence[str | None]:
        """Return the types to load each function into. None means the type of its section.

        Raises:
            WrongUsage: a type does not exist.
        """
        if source.loader == "libbpf" and not self.prog_types:
            return [None]
        # variants of a type only if types are named
        names = [each.name for each in PROG_TYPES if self.prog_types or not each.is_variant]
        chosen = plan.select(names, self.prog_types, what="program type", command="types")
        return [name for name in names if name in chosen]

    def functions_of(self, given: GivenSource, source: UserProgram) -> list[str]:
        """Return the functions to load.

        Raises:
            WrongUsage: the file has no program, or no program of a wanted name.
        """
        names = list(given.programs)
        if not names:
            raise WrongUsage(f"{source.name} has no program", "add a function that is not static")
        for wanted in self.functions:
            if wanted not in names:
                raise WrongUsage(f"{source.name} has no program '{wanted}'", f"it has {', '.join(names)}")
        return [name for name in names if not self.functions or name in self.functions]


def probe(
    machines: Machines,
    sources: Sequence[UserProgram],
    wanted: Wanted,
    progress: Progress,
    heard: Callable[[str], None],
    on_failure: OnFailure | None = None,
) -> list[Answer]:
    """Load each function of each file into each type on every kernel.

    Args:
        heard: called with the diagnostics of clang, once for each file.
        on_failure: called with the release of a kernel on which the environment failed, and the error. Such a
            kernel has no answers. None to raise the error.

    Raises:
        WrongUsage: a file does not compile, or lacks a program.
        HarnessError: the environment failed.
    """
    answers: list[Answer] = []
    on_first = heard  # diagnostics are the same on every kernel
    for prepared in machines.kernels:
        try:
            with progress.phase(f"loading into {prepared.kernel.release}"):
                answers += _OneKernel(machines, prepared, wanted, on_first).answers(sources)
        except WrongUsage:
            raise
        except HarnessError as error:
            if not on_failure:
                raise
            on_failure(prepared.kernel.release, error)
        else:
            on_first = _ignore
    return answers


def not_compiled(failed: CompileFailed) -> Answer:
    """Return the answer for a file that clang rejected, on any kernel."""
    errors = (line for line in failed.diagnostics.splitlines() if "error:" in line)
    reason = next(errors, failed.fact)
    return Answer(
        "", WHOLE_FILE, "", False, None, reason, failed.diagnostics, Refuser.COMPILER, file=failed.name
    )


class _OneKernel:
    """Loads the programs of files on one kernel.

    Args:
        heard: called with the diagnostics of clang, once for each file.
    """

    def __init__(
        self, machines: Machines, prepared: PreparedKernel, wanted: Wanted, heard: Callable[[str], None]
    ) -> None:
        self._machines = machines
        self._prepared = prepared
        self._wanted = wanted
        self._heard = heard

    def answers(self, sources: Sequence[UserProgram]) -> list[Answer]:
        """Load each function of each file into each type."""
        answers: list[list[Answer]] = []
        ended = False
        while not ended:  # a new machine continues after the program that crashed the last one
            ended = self._machines.visit(
                self._prepared, lambda machine: self._ask_all(machine, sources, answers)
            )
        return [answer for of_file in answers for answer in of_file]

    async def _ask_all(
        self, machine: Machine, sources: Sequence[UserProgram], answers: list[list[Answer]]
    ) -> bool:
        """Load the programs without an answer. Return True if none is left."""
        for number, source in enumerate(sources):
            if number < len(answers) - 1:
                continue  # loaded on an earlier machine
            if number == len(answers):
                answers.append([])
            left = await self._ask(machine, source, answers[number])
            if left is not None:  # the machine crashed
                return not left and source is sources[-1]
        return True

    async def _ask(self, machine: Machine, source: UserProgram, answers: list[Answer]) -> int | None:
        """Load the programs of a file. Return the number left if one crashed the machine, otherwise None."""
        try:
            given = await source.give_to(machine, self._prepared.kernel)
        except FileRefused as refused:
            answer = self._refused(WHOLE_FILE, source.loader, refused.why)
            answers.append(replace(answer, file=source.name))
            return None
        if not answers:
            self._heard(given.diagnostics)
        functions = self._wanted.functions_of(given, source)
        prog_types = self._wanted.prog_types_for(source)
        questions = [(function, prog_type) for function in functions for prog_type in prog_types]
        for function, prog_type in questions[len(answers) :]:
            try:
                reply = await machine.ask(given.request(function, prog_type), LOAD_DEADLINE)
            except MachineFailed as failed:
                if failed.kind is FailureKind.LOST:
                    raise
                reply = {"failed": f"{failed.kind}: {failed.reason}", "console": failed.tail}
            place = prog_type or f'SEC("{given.programs[function]}")'
            answers.append(replace(self._answer(function, place, reply), file=source.name))
            if "failed" in reply:
                return len(questions) - len(answers)
            if "program" in reply:
                await machine.ask({"kind": "own", "do": "close", "program": reply["program"]}, LOAD_DEADLINE)
        return None

    def _answer(self, function: str, place: str, reply: dict[str, Any]) -> Answer:
        release = self._prepared.kernel.release
        if "failed" in reply:
            reason, log = reply["failed"], reply["console"]
            return Answer(release, function, place, False, reason=reason, log=log, refused_by="crash")
        if "no_type" in reply:
            reason = "no type: the kernel has no such programs"
            return Answer(release, function, place, False, reason=reason, refused_by=Refuser.KERNEL)
        if "unavailable" in reply:
            reason = f"no type: {reply['unavailable']}"
            return Answer(release, function, place, False, reason=reason, refused_by=Refuser.KERNEL)
        if "refused" in reply:
            return self._refused(function, place, refusal(reply["refused"]))
        return Answer(release, function, place, accepted=True)

    def _refused(self, function: str, place: str, why: Refusal) -> Answer:
        release = self._prepared.kernel.release
        return Answer(release, function, place, False, why.errno, why.reason, why.log, why.by)


def _ignore(_said: str) -> None:
    pass
