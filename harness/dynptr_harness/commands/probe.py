"""The command `probe`: load a user's programs on kernels and report rejections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance import plan
from dynptr_harness.conformance.catalogue import PROG_TYPES
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.verifier_log import reason_in
from dynptr_harness.report.probe import Answer
from dynptr_harness.vm.failures import FailureKind, MachineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynptr_harness.commands.user_program import GivenSource, UserProgram
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.vm.launcher import Machines
    from dynptr_harness.vm.machine import Machine
    from dynptr_harness.vm.prepare import PreparedKernel

LOAD_DEADLINE = 60.0  # seconds; usually less than one, except for programs of a million instructions


@dataclass(frozen=True)
class Wanted:
    """Functions and program types to load; empty for all. Types are names or globs.

    Without a type, a program with SEC() is loaded as its section says.
    """

    functions: tuple[str, ...] = ()
    prog_types: tuple[str, ...] = ()

    def prog_types_for(self, source: UserProgram) -> Sequence[str | None]:
        """Return the types to load each function into; None stands for the type of its section.

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
            raise WrongUsage(f"{source.path} has no program", "write a function that is not static")
        for wanted in self.functions:
            if wanted not in names:
                raise WrongUsage(f"{source.path} has no program '{wanted}'", f"it has {', '.join(names)}")
        return [name for name in names if not self.functions or name in self.functions]


def probe(
    machines: Machines,
    source: UserProgram,
    wanted: Wanted,
    progress: Progress,
    heard: Callable[[str], None],
) -> list[Answer]:
    """Load each function into each type on every kernel and return the answers.

    Args:
        heard: called once with the diagnostics of clang.

    Raises:
        WrongUsage: the file does not compile, or lacks a program.
        HarnessError: the environment failed.
    """
    answers: list[Answer] = []
    for number, prepared in enumerate(machines.kernels):
        with progress.phase(f"loading into {prepared.kernel.release}"):
            told = _ignore if number else heard  # diagnostics are the same on every kernel
            answers += _OneKernel(machines, prepared, source, wanted, told).answers()
    return answers


class _OneKernel:
    """Loads the programs of one file on one kernel.

    Args:
        heard: called once with the diagnostics of clang.
    """

    def __init__(
        self,
        machines: Machines,
        prepared: PreparedKernel,
        source: UserProgram,
        wanted: Wanted,
        heard: Callable[[str], None],
    ) -> None:
        self._machines = machines
        self._prepared = prepared
        self._source = source
        self._wanted = wanted
        self._heard = heard

    def answers(self) -> list[Answer]:
        """Return the answer for each function and type."""
        answers: list[Answer] = []
        ended = False
        while not ended:  # a new machine continues after the program that crashed the last one
            ended = self._machines.visit(self._prepared, lambda machine: self._ask(machine, answers))
        return answers

    async def _ask(self, machine: Machine, answers: list[Answer]) -> bool:
        """Load the programs without an answer. Return True if none is left."""
        given = await self._source.give_to(machine)
        if not answers:
            self._heard(given.diagnostics)
        functions = self._wanted.functions_of(given, self._source)
        prog_types = self._wanted.prog_types_for(self._source)
        questions = [(function, prog_type) for function in functions for prog_type in prog_types]
        for function, prog_type in questions[len(answers) :]:
            try:
                reply = await machine.ask(given.request(function, prog_type), LOAD_DEADLINE)
            except MachineFailed as failed:
                if failed.kind is FailureKind.LOST:
                    raise
                reply = {"failed": f"{failed.kind}: {failed.reason}", "console": failed.tail}
            place = prog_type or f'SEC("{given.programs[function]}")'
            answers.append(self._answer(function, place, reply))
            if "failed" in reply:
                return len(answers) == len(questions)
            if "program" in reply:
                await machine.ask({"kind": "own", "do": "close", "program": reply["program"]}, LOAD_DEADLINE)
        return True

    def _answer(self, function: str, place: str, reply: dict[str, Any]) -> Answer:
        release = self._prepared.kernel.release
        if "failed" in reply:
            return Answer(release, function, place, False, reason=reply["failed"], log=reply["console"])
        if "no_type" in reply:
            return Answer(release, function, place, False, reason="no type: the kernel has no such programs")
        if refused := reply.get("refused"):
            errno, log = refused["errno"], refused["log"]
            return Answer(release, function, place, False, errno, reason_in(log, errno), log)
        return Answer(release, function, place, accepted=True)


def _ignore(_said: str) -> None:
    pass
