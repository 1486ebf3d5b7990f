"""Lots: every cell is in one of them, once, with what belongs together."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from harness.asking.lots import Lot, Question, cut
from harness.conformance.catalogue import CASES, PROG_TYPES
from harness.isolation import Isolation
from harness.plan import make
from tests.unit.samples import made_up

EXPERIMENT = made_up("AAA-001").experiment
ALIKE = [made_up(f"AAA-00{number}", experiment=EXPERIMENT) for number in (1, 2, 3)]
BY_BOTH = made_up("BBB-001", loaders=("bcc", "libbpf"))
WHOLE = make(PROG_TYPES, CASES).cells


def shape(lots: list[Lot]) -> list[list[list[str]]]:
    """The cases of each question of each lot."""
    return [[[cell.case.id for cell in each.cells] for each in lot.questions] for lot in lots]


def questions(lots: list[Lot]) -> list[Question]:
    return [question for lot in lots for question in lot.questions]


@pytest.mark.parametrize("isolation", Isolation)
def test_every_cell_is_in_one_question_and_no_request_is_in_two(isolation: Isolation) -> None:
    asked = questions(cut(WHOLE, isolation))
    cells = [cell.key for question in asked for cell in question.cells]
    assert sorted(cells) == sorted(cell.key for cell in WHOLE)
    requests = [json.dumps(question.request, sort_keys=True) for question in asked]
    assert len(set(requests)) == len(requests)
    assert all(cell.request() == question.request for question in asked for cell in question.cells)


@pytest.mark.parametrize(
    ("isolation", "expected"),
    [
        (Isolation.RUN, [[["AAA-001", "AAA-002"], ["BBB-001"]], [["BBB-001"]]]),
        (Isolation.TYPE, [[["AAA-001", "AAA-002"], ["BBB-001"], ["BBB-001"]]]),
        (Isolation.CASE, [[["AAA-001", "AAA-002"]], [["BBB-001"]], [["BBB-001"]]]),
    ],
)
def test_what_is_together_in_a_lot_depends_on_the_isolation(
    isolation: Isolation, expected: list[list[list[str]]]
) -> None:
    cells = make(PROG_TYPES, [ALIKE[0], BY_BOTH, ALIKE[1]], ["SYSCALL"]).cells
    assert shape(cut(cells, isolation)) == expected


def test_without_isolation_a_lot_is_one_program_of_one_type() -> None:
    lots = cut(WHOLE, Isolation.RUN)
    of_lots = [{(cell.prog_type.name, cell.program) for cell in questions([lot])[0].cells} for lot in lots]
    assert all(len(programs) == 1 for programs in of_lots)
    assert len(set().union(*of_lots)) == len(lots)


def test_each_type_is_a_lot_where_types_are_isolated() -> None:
    types = [{cell.prog_type.name for each in questions([lot]) for cell in each.cells}
             for lot in cut(WHOLE, Isolation.TYPE)]  # fmt: skip
    assert sorted(types, key=sorted) == [{each.name} for each in sorted(PROG_TYPES, key=lambda t: t.name)]


def test_the_longest_lot_comes_first_and_a_flood_is_longer_than_it_looks() -> None:
    lots = cut(WHOLE, Isolation.RUN)
    assert all(first.cost >= second.cost for first, second in pairwise(lots))
    kinds = [lot.questions[0].request["kind"] for lot in lots]
    assert "flood" in kinds[:3]
