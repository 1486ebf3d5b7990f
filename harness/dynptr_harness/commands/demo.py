"""Demonstrations: run an example on a real kernel and explain its records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance import plan
from dynptr_harness.conformance.c_sources import functions_of
from dynptr_harness.conformance.experiments.base import Phases
from dynptr_harness.conformance.experiments.examples import Example
from dynptr_harness.conformance.judge import judge
from dynptr_harness.core.errors import ExitStatus
from dynptr_harness.report import demo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.loader import Catalogue
    from dynptr_harness.conformance.prog_types import ProgType
    from dynptr_harness.vm.machine import Machine

DEADLINE = 60.0  # seconds; a demonstration takes less than one


@dataclass(frozen=True)
class Demonstration:
    """An example and its case.

    Attributes:
        name: name on the command line, in lower case.
        about: one-line description.
        path: path of the C file, relative to bpf_src.
    """

    name: str
    about: str
    path: str
    case: Case
    prog_type: ProgType

    async def show(self, machine: Machine, console: Console) -> ExitStatus:
        """Run the example and print its records and the verdict.

        Raises:
            HarnessError: see `Machine.ask`.
        """
        loader = self.case.loaders_for(self.prog_type)[0]
        reply = await machine.ask(self.case.request(self.prog_type, loader), DEADLINE)
        experiment = self.case.experiment
        if isinstance(experiment, Example):
            console.print(demo.ExampleRecords(experiment, machine.facts, reply))
        else:
            console.print(demo.Firings(self.prog_type, machine.facts, reply))
        judgement = judge(self.case, self.prog_type, machine.facts, reply)
        console.print(demo.DemoVerdict(judgement, machine.facts["release"]))
        return ExitStatus.AS_EXPECTED if judgement.ok else ExitStatus.NOT_AS_EXPECTED


def demonstrations(catalogue: Catalogue) -> list[Demonstration]:
    """Return the demonstrations: uses of dynptrs first, then the example of each program type."""
    return [*_examples(catalogue), *_of_types(catalogue)]


def find(name: str, catalogue: Catalogue) -> Demonstration:
    """Return a demonstration by name. Ignore case.

    Raises:
        WrongUsage: no demonstration has this name.
    """
    found = {each.name.upper(): each for each in demonstrations(catalogue)}
    (chosen, *_others) = plan.select(list(found), [name], what="demonstration", command="demo --list")
    return found[chosen]


def _examples(catalogue: Catalogue) -> Iterator[Demonstration]:
    shown: set[str] = set()
    for case in catalogue.cases:
        if isinstance(case.experiment, Example) and case.experiment.name not in shown:
            shown.add(case.experiment.name)
            (prog_type,) = (each for each in catalogue.prog_types if case.applies(each))
            path = f"examples/{case.experiment.name}.bpf.c"
            yield Demonstration(case.experiment.name.replace("_", "-"), case.title, path, case, prog_type)


def _of_types(catalogue: Catalogue) -> Iterator[Demonstration]:
    case = next(case for case in catalogue.cases if case.experiment == Phases("attached"))
    for prog_type in catalogue.prog_types:
        if case.applies(prog_type):
            (function,) = functions_of(case, [prog_type])
            path = catalogue.programs[function].path
            yield Demonstration(prog_type.name.lower(), prog_type.event, path, case, prog_type)
