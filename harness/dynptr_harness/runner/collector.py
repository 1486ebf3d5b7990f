"""The sheet of one kernel: its planned cells, filled with what was observed."""

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

TOLD_AT_ONCE = 5  # cells of a kernel that are not as expected, and told while the rest runs


class ResultCollector:
    """The cells of a kernel, in whatever order they are filled.

    Attributes:
        bad: how many of those that are filled are not as expected.
    """

    def __init__(self, kernel: Kernel, planned: Sequence[PlannedCell], progress: Progress) -> None:
        self.bad = 0
        self._kernel = kernel
        self._planned = planned
        self._progress = progress
        self._cells: dict[tuple[str, str, str], CellResult] = {}

    @property
    def filled(self) -> int:
        """How many cells have a result."""
        return len(self._cells)

    @property
    def complete(self) -> bool:
        """Whether all cells have a result."""
        return self.filled == len(self._planned)

    def fill(self, question: Query, observed: Observation, facts: Mapping[str, Any]) -> None:
        """Judge what came of a question for each of its cells; `facts` are the agent's.

        What is not as expected is told at once, while there is little of it.
        """
        for number, planned in enumerate(question.cells):
            seconds = 0.0 if number else observed.seconds
            cell = self._judged(planned, replace(observed, seconds=seconds), facts)
            self._cells[planned.key] = cell
            if not cell.ok:
                self._tell(cell)

    def has(self, planned: PlannedCell) -> bool:
        """Whether this cell has a result."""
        return planned.key in self._cells

    def cell(self, planned: PlannedCell, why_not: str | None) -> CellResult:
        """This cell; one without a result is not run, for this reason."""
        not_run = Observation(verdict=Verdict.NOT_RUN, seen=f"not run: {why_not}")
        return self._cells.get(planned.key) or self._unanswered(planned, not_run)

    def cells(self, why_not: str | None) -> list[CellResult]:
        """All cells in the order of the plan, as `cell` has them."""
        return [self.cell(each, why_not) for each in self._planned]

    def _tell(self, cell: CellResult) -> None:
        self.bad += 1
        why = next(iter(cell.seen.splitlines()), "")
        if self.bad <= TOLD_AT_ONCE:
            self._progress.tell(
                f"{cell.verdict.upper()} {cell.case} in {cell.prog_type}, {cell.kernel}: {why}"
            )
        if self.bad == TOLD_AT_ONCE:
            self._progress.tell(f"{cell.kernel}: what else is not as expected is told at the end")

    def _judged(self, planned: PlannedCell, observed: Observation, facts: Mapping[str, Any]) -> CellResult:
        if observed.reply is None:
            return self._unanswered(planned, observed)
        try:
            judgement = judge(planned.case, planned.prog_type, facts, observed.reply)
        except Exception as error:  # a reply that nobody foresaw; the other cells have an answer all the same
            seen = f"the reply cannot be judged: {type(error).__name__}: {error}"
            return self._unanswered(planned, replace(observed, seen=seen, log=traceback.format_exc()))
        return self._cell(planned, observed, judgement)

    def _unanswered(self, planned: PlannedCell, observed: Observation) -> CellResult:
        """A cell without an answer to judge."""
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
