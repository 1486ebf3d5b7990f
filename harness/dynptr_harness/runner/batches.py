"""Batches: the planned cells of a kernel, divided into parts for one machine each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.runner.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from dynptr_harness.conformance.plan import PlannedCell

# Kinds of requests that prove nothing unless the CPUs of the guest run at the same time.
PARALLEL = frozenset({"flood"})


@dataclass(frozen=True)
class Query:
    """One request to the agent, and all cells that have this request."""

    request: dict[str, Any]
    cells: tuple[PlannedCell, ...]

    @property
    def parallel(self) -> bool:
        """True if the CPUs of the guest must run at the same time."""
        return self.request["kind"] in PARALLEL


@dataclass(frozen=True)
class Batch:
    """Queries that one machine answers one after the other.

    Attributes:
        released: True if the queries come from quarantine.
    """

    queries: tuple[Query, ...]
    released: bool = False

    @property
    def cost(self) -> int:
        """Rough duration relative to other batches. Only the order of batches depends on it."""
        return len(self.queries)

    @property
    def parallel(self) -> bool:
        """True if the CPUs of the guest must run at the same time."""
        return any(query.parallel for query in self.queries)


def cut(cells: Iterable[PlannedCell], isolation: Isolation) -> list[Batch]:
    """Divide the cells of one kernel into batches.

    Long batches come first, because several workers then end at about the same time.

    With `Isolation.RUN` and `Isolation.TYPE`, a batch holds the cells of one program type. Queries to one
    program are adjacent, because the program then stays attached. With `Isolation.RUN`, all queries that need
    several CPUs at the same time form one last batch. They have the CPUs of the host to themselves when the
    other workers are done, and only one worker needs a machine without round robin.
    """
    cells_of: dict[str, list[PlannedCell]] = {}
    for cell in cells:
        cells_of.setdefault(json.dumps(cell.request, sort_keys=True), []).append(cell)
    batches: dict[Hashable, list[Query]] = {}
    for same in cells_of.values():
        query = Query(same[0].request, tuple(same))
        batches.setdefault(_batch_key(query, isolation), []).append(query)
    return sorted(
        (Batch(tuple(queries)) for queries in batches.values()),
        key=lambda batch: (batch.parallel, -batch.cost),
    )


def _batch_key(query: Query, isolation: Isolation) -> Hashable:
    """Return a key that is equal for the queries of one batch."""
    cell = query.cells[0]
    match isolation:
        case Isolation.RUN:
            return query.parallel or cell.prog_type.name
        case Isolation.TYPE:
            return cell.prog_type.name
        case Isolation.CASE:
            return id(query)
