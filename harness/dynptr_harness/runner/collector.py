"""Collection of the results of one kernel."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.cell import CellResult
from dynptr_harness.conformance.judge import Judgement, judge
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.runner.session import Observation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynptr_harness.conformance.plan import PlannedCell
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.runner.batches import Query
    from dynptr_harness.runner.limits import FailureCount

SHOWN_EARLY = 5  # unexpected results of a kernel that are shown while the rest runs


class ResultCollector:
    """The results of the planned cells of one kernel. They may arrive in any order.

    Args:
        failures: counts the unexpected results.

    Attributes:
        unexpected: number of results so far that are not as expected.
    """

    def __init__(
        self,
        kernel: Kernel,
        planned: Sequence[PlannedCell],
        progress: Progress,
        failures: FailureCount,
    ) -> None:
        self.unexpected = 0
        self._failures = failures
        self._kernel = kernel
        self._planned = planned
        self._progress = progress
        self._cells: dict[tuple[str, str, str], CellResult] = {}

    @property
    def collected(self) -> int:
        """Number of cells that have a result."""
        return len(self._cells)

    @property
    def complete(self) -> bool:
        """True if all cells have a result."""
        return self.collected == len(self._planned)

    def add(self, query: Query, observed: Observation, facts: Mapping[str, Any]) -> None:
        """Judge the observation for each cell of the query.

        The first unexpected results are shown immediately.

        Args:
            facts: of the agent.
        """
        for number, planned in enumerate(query.cells):
            seconds = 0.0 if number else observed.seconds
            cell = self._judged(planned, replace(observed, seconds=seconds), facts)
            self._cells[planned.key] = cell
            self._failures.add(cell)
            if not cell.ok:
                self._show(cell)

    def has_result(self, planned: PlannedCell) -> bool:
        """Return True if this cell has a result."""
        return planned.key in self._cells

    def cell(self, planned: PlannedCell, why_not: str | None) -> CellResult:
        """Return the result of this cell, or 'not-run' with the reason `why_not`."""
        not_run = Observation(verdict=Verdict.NOT_RUN, seen=f"not run: {why_not}")
        return self._cells.get(planned.key) or self._unanswered(planned, not_run)

    def cells(self, why_not: str | None) -> list[CellResult]:
        """Return the results of all cells in the order of the plan; see `cell`."""
        return [self.cell(each, why_not) for each in self._planned]

    def _show(self, cell: CellResult) -> None:
        self.unexpected += 1
        why = next(iter(cell.seen.splitlines()), "")
        if self.unexpected <= SHOWN_EARLY:
            self._progress.tell(
                f"{cell.verdict.upper()} {cell.case} in {cell.prog_type}, {cell.kernel}: {why}"
            )
        if self.unexpected == SHOWN_EARLY:
            self._progress.tell(f"{cell.kernel}: further unexpected results are shown at the end")

    def _judged(self, planned: PlannedCell, observed: Observation, facts: Mapping[str, Any]) -> CellResult:
        if observed.reply is None:
            return self._unanswered(planned, observed)
        try:
            judgement = judge(planned.case, planned.prog_type, facts, observed.reply)
        except Exception as error:  # a reply of an unknown form must not cost the other cells their results
            seen = f"the reply cannot be judged: {type(error).__name__}: {error}"
            return self._unanswered(planned, replace(observed, seen=seen, log=traceback.format_exc()))
        return self._cell(planned, observed, judgement)

    def _unanswered(self, planned: PlannedCell, observed: Observation) -> CellResult:
        """Return the result of a cell without a reply that can be judged."""
        judgement = Judgement(
            observed.verdict, ok=False, expected=planned.case.title, seen=observed.seen, log=observed.log
        )
        return self._cell(planned, observed, judgement)

    def _cell(self, planned: PlannedCell, observed: Observation, judgement: Judgement) -> CellResult:
        return CellResult(
            kernel=self._kernel.release,
            arch=self._kernel.arch,
            prog_type=planned.prog_type.name,
            case=planned.case.id,
            loader=planned.loader,
            verdict=judgement.verdict,
            ok=judgement.ok,
            expected=judgement.expected,
            seen=judgement.seen,
            seconds=round(observed.seconds, 3),
            reason=judgement.reason,
            log=judgement.log,
            console=observed.console,
        )
