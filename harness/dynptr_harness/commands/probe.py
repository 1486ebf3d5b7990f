"""Probing: which kernels take a person's own programs, and why others do not."""

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

LOAD_DEADLINE = 60.0  # seconds; a load takes a fraction of one, but for a program of a million instructions


@dataclass(frozen=True)
class Wanted:
    """What a person wants to be loaded: these functions and these types, names or globs; empty for all.

    Without a type, a program that has a section is loaded as that says.
    """

    functions: tuple[str, ...] = ()
    prog_types: tuple[str, ...] = ()

    def prog_types_for(self, source: UserProgram) -> Sequence[str | None]:
        """The types to load each function into; None for what its section says.

        Raises:
            WrongUsage: there is no such type.
        """
        if source.loader == "libbpf" and not self.prog_types:
            return [None]
        # the other ways to attach a type only where they were asked for
        names = [each.name for each in PROG_TYPES if self.prog_types or not each.is_variant]
        chosen = plan.select(names, self.prog_types, what="program type", command="types")
        return [name for name in names if name in chosen]

    def functions_of(self, given: GivenSource, source: UserProgram) -> list[str]:
        """The functions to load.

        Raises:
            WrongUsage: the file has no program, or none of this name.
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
    """What every kernel says of each function in each type.

    Args:
        heard: is given what clang says, once.

    Raises:
        WrongUsage: the file cannot be compiled, or has no such program.
        HarnessError: the environment failed.
    """
    answers: list[Answer] = []
    for number, subject in enumerate(machines.subjects):
        with progress.phase(f"loading into {subject.kernel.release}"):
            told = _ignore if number else heard  # they are the same on every kernel
            answers += _OneKernel(machines, subject, source, wanted, told).answers()
    return answers


class _OneKernel:
    """One kernel that is asked about one file.

    Args:
        heard: is given what clang says, once.
    """

    def __init__(
        self,
        machines: Machines,
        subject: PreparedKernel,
        source: UserProgram,
        wanted: Wanted,
        heard: Callable[[str], None],
    ) -> None:
        self._machines = machines
        self._subject = subject
        self._source = source
        self._wanted = wanted
        self._heard = heard

    def answers(self) -> list[Answer]:
        """What the kernel says of each function in each type."""
        answers: list[Answer] = []
        ended = False
        while not ended:  # each machine goes on behind what the one before did not survive
            ended = self._machines.visit(self._subject, lambda machine: self._ask(machine, answers))
        return answers

    async def _ask(self, machine: Machine, answers: list[Answer]) -> bool:
        """Ask what is not answered yet; whether that is all."""
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
        release = self._subject.kernel.release
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
