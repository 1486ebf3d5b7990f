"""Lots: the planned cells of a kernel, cut into what one machine is asked in one go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from harness.plan import PlannedCell

# What a question costs beside an ordinary one, by its kind; only the order of the lots depends on it.
COST = {"flood": 50}


@dataclass(frozen=True)
class Question:
    """One request to the agent, and the cells that the answer is judged for: all that have this request."""

    request: dict[str, Any]
    cells: tuple[PlannedCell, ...]


@dataclass(frozen=True)
class Lot:
    """Questions that one machine is asked one after the other."""

    questions: tuple[Question, ...]

    @property
    def cost(self) -> int:
        """About how long it takes, beside other lots."""
        return sum(COST.get(question.request["kind"], 1) for question in self.questions)


def cut(cells: Iterable[PlannedCell], isolation: Isolation) -> list[Lot]:
    """The lots of one kernel, the longest first, so that several workers end at about the same time.

    Without isolation a lot is what the agent needs one program for, which stays attached meanwhile.
    """
    alike: dict[str, list[PlannedCell]] = {}
    for cell in cells:
        alike.setdefault(json.dumps(cell.request(), sort_keys=True), []).append(cell)
    lots: dict[Hashable, list[Question]] = {}
    for same in alike.values():
        question = Question(same[0].request(), tuple(same))
        lots.setdefault(_together(question, isolation), []).append(question)
    return sorted((Lot(tuple(questions)) for questions in lots.values()), key=lambda lot: -lot.cost)


def _together(question: Question, isolation: Isolation) -> Hashable:
    """Equal for the questions of one lot."""
    cell = question.cells[0]
    match isolation:
        case Isolation.RUN:
            return cell.prog_type.name, cell.program
        case Isolation.TYPE:
            return cell.prog_type.name
        case Isolation.CASE:
            return id(question)
