"""Lots: the planned cells of a kernel, cut into what one machine is asked in one go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.runner.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from dynptr_harness.conformance.plan import PlannedCell

# Kinds of questions that tell nothing unless processors of the guest run at the same time.
PARALLEL = frozenset({"flood"})


@dataclass(frozen=True)
class Query:
    """One request to the agent, and the cells that the answer is judged for: all that have this request."""

    request: dict[str, Any]
    cells: tuple[PlannedCell, ...]

    @property
    def parallel(self) -> bool:
        """Whether processors of the guest must run at the same time."""
        return self.request["kind"] in PARALLEL


@dataclass(frozen=True)
class Batch:
    """Questions that one machine is asked one after the other."""

    questions: tuple[Query, ...]

    @property
    def cost(self) -> int:
        """About how long it takes, beside other lots: only their order depends on it."""
        return len(self.questions)

    @property
    def parallel(self) -> bool:
        """Whether processors of the guest must run at the same time."""
        return any(question.parallel for question in self.questions)


def cut(cells: Iterable[PlannedCell], isolation: Isolation) -> list[Batch]:
    """The lots of one kernel, the longest first, so that several workers end at about the same time.

    Without isolation, and with that of types, a lot is a program type, of which the questions to one program
    come in a row: it stays attached meanwhile. Without isolation all that needs processors at the same
    time is one lot, the last: it has those of the host for itself as soon as the other workers are done,
    and only one of them needs a machine of another kind.
    """
    alike: dict[str, list[PlannedCell]] = {}
    for cell in cells:
        alike.setdefault(json.dumps(cell.request, sort_keys=True), []).append(cell)
    lots: dict[Hashable, list[Query]] = {}
    for same in alike.values():
        question = Query(same[0].request, tuple(same))
        lots.setdefault(_together(question, isolation), []).append(question)
    return sorted(
        (Batch(tuple(questions)) for questions in lots.values()), key=lambda lot: (lot.parallel, -lot.cost)
    )


def _together(question: Query, isolation: Isolation) -> Hashable:
    """Equal for the questions of one lot."""
    cell = question.cells[0]
    match isolation:
        case Isolation.RUN:
            return question.parallel or cell.prog_type.name
        case Isolation.TYPE:
            return cell.prog_type.name
        case Isolation.CASE:
            return id(question)
