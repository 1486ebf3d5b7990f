"""Cells as pytest items: dynptr-harness/KERNEL/TYPE::CASE[LOADER]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dynptr_harness.conformance import loader, plan
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import HarnessError
from dynptr_harness.core.text import console_part, tail
from dynptr_harness.pytest_plugin import stash
from dynptr_harness.results.model import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.plan import PlannedCell

ROOT = "dynptr-harness"
LOG_LINES, CONSOLE_LINES = 30, 40


def collectors(session: pytest.Session, kernels: Sequence[str]) -> Iterator[TypeCells]:
    """Yield a collector for each kernel and program type."""
    catalogue = loader.load()
    by_type: dict[str, list[PlannedCell]] = {}
    for planned in plan.make(catalogue.prog_types, catalogue.cases).cells:
        by_type.setdefault(planned.prog_type.name.lower(), []).append(planned)
    for kernel in kernels:
        for prog_type, cells in by_type.items():
            name = f"{kernel}/{prog_type}"
            node: TypeCells = TypeCells.from_parent(session, name=name, nodeid=f"{ROOT}/{name}")
            node.kernel, node.cells = kernel, cells
            yield node


class TypeCells(pytest.Collector):
    """The cells of a kernel and a program type."""

    kernel: str
    cells: Sequence[PlannedCell]

    def collect(self) -> Iterable[Cell]:
        """Yield an item for each cell."""
        grouped = self.config.pluginmanager.hasplugin("xdist")  # the marker is xdist's
        for planned in self.cells:
            name = f"{planned.case.id}[{planned.loader}]"
            cell: Cell = Cell.from_parent(self, name=name, nodeid=f"{self.nodeid}::{name}")
            cell.kernel, cell.planned = self.kernel, planned
            if grouped:
                cell.add_marker(pytest.mark.xdist_group(self.kernel))
            yield cell


class Cell(pytest.Item):
    """A cell.

    It is an error without a verdict, a failure if the verdict is not as expected, and skipped if the kernel
    lacks what the case needs.
    """

    kernel: str
    planned: PlannedCell

    def setup(self) -> None:
        """Run the cell."""
        try:
            self._result = stash.session(self.config).answer(self.kernel, self.planned, self._every)
        except HarnessError as error:
            pytest.fail(f"{error.fact}\n{error.hint}".rstrip(), pytrace=False)
        result = self._result
        properties: dict[str, Any] = {
            "kernel": result.kernel,
            "prog_type": result.prog_type,
            "case": result.case,
            "loader": result.loader,
            "verdict": result.verdict.value,
            **({"reason": result.reason} if result.reason else {}),
        }
        self.user_properties += properties.items()
        if result.verdict in UNANSWERED:
            pytest.fail(failure_text(result, self.planned.case.title), pytrace=False)

    def _every(self) -> list[PlannedCell]:
        """Return the selected cells of this kernel."""
        items = self.session.items
        return [each.planned for each in items if isinstance(each, Cell) and each.kernel == self.kernel]

    def runtest(self) -> None:
        """Fail if the verdict is not as expected, and skip if the feature is absent."""
        if not self._result.ok:
            pytest.fail(failure_text(self._result, self.planned.case.title), pytrace=False)
        if self._result.verdict is Verdict.ABSENT:
            pytest.skip(f"absent on {self._result.kernel}: {self._result.reason or self._result.seen}")

    def reportinfo(self) -> tuple[str, None, str]:
        """Return the location for reports: the node, as a cell has no file."""
        return self.nodeid.partition("::")[0], None, self.name


def failure_text(result: CellResult, title: str) -> str:
    """Return the failure message of a cell: expected, seen, verifier log and console."""
    lines = [
        f"{result.verdict.upper()} {result.case} in {result.prog_type} by {result.loader}: {title}",
        f"kernel:    {result.kernel}",
        f"expected:  {result.expected}",
        f"seen:      {result.seen}",
    ]
    for name, text, part, length in (
        ("verifier log", result.log, tail, LOG_LINES),
        ("console", result.console, console_part, CONSOLE_LINES),
    ):
        if text:
            lines += [f"{name}:", *(f"    {line}" for line in part(text, length))]
    return "\n".join(lines)
