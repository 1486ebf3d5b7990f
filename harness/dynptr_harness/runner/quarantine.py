"""Quarantine: queries like those that lost a machine. They run last, and may lose few more machines."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from dynptr_harness.conformance.groups import group_of
from dynptr_harness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.runner.batches import Query
    from dynptr_harness.runner.session import Observation

CASES_OF_A_GROUP = 3  # cases of a group that lost a machine, after which the whole group runs last
LOSSES_IN_A_ROW = 12  # of different cases, without a reply, after which a kernel stops
BUDGET = 24  # machines that the queries in quarantine may lose
BUDGET_SECONDS = 300.0  # time that they may lose: a hang lasts until the deadline


class Quarantine:
    """The queries of one kernel that run last.

    A case that lost a machine runs last in all other program types. A group in which several cases did so
    runs last as a whole. So a fault that every use of a feature meets leaves all other cells a verdict.
    """

    def __init__(self) -> None:
        self._losses: Counter[str] = Counter()  # by case
        self._waiting: list[Query] = []
        self._in_a_row = 0
        self._spent = 0
        self._seconds = 0.0

    @property
    def stopped(self) -> str | None:
        """Why no more queries run, neither these nor others. None while they do."""
        if self._in_a_row >= LOSSES_IN_A_ROW:
            return f"{self._in_a_row} machines were lost in a row"
        return None

    @property
    def exhausted(self) -> str | None:
        """Why the queries in quarantine do not run. None while they may."""
        if self._spent < BUDGET and self._seconds < BUDGET_SECONDS:
            return None
        machines, cases = counted(self._losses.total(), "machine"), counted(len(self._losses), "case")
        return f"{machines} were lost in {cases}: no more cells of these and of similar cases run"

    @property
    def has_query(self) -> bool:
        """True if a query in quarantine can run."""
        return bool(self._waiting) and not self.exhausted

    def hold_back(self, queries: Sequence[Query]) -> tuple[Query, ...]:
        """Return the queries that can run now, and keep the others."""
        groups: dict[str, int] = defaultdict(int)
        for case in self._losses:
            groups[group_of(case)] += 1
        now: list[Query] = []
        for query in queries:
            cases = {cell.case.id for cell in query.cells}
            suspect = any(
                case in self._losses or groups.get(group_of(case), 0) >= CASES_OF_A_GROUP for case in cases
            )
            (self._waiting if suspect else now).append(query)
        return tuple(now)

    def release(self) -> Query:
        """Remove and return the query whose case has lost the fewest machines."""
        query = min(self._waiting, key=lambda each: max(self._losses[cell.case.id] for cell in each.cells))
        self._waiting.remove(query)
        return query

    def record(self, query: Query, observed: Observation, *, released: bool) -> None:
        """Count the loss of a machine, or a reply.

        Args:
            released: True if `release` returned the query.
        """
        if not observed.lost:
            self._in_a_row = 0
            return
        self._losses[query.cells[0].case.id] += 1
        if released:
            self._spent += 1
            self._seconds += observed.seconds
        else:
            self._in_a_row += 1
