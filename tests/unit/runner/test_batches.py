"""Lots: every cell is in one of them, once, with what belongs together."""

from __future__ import annotations

import json
from itertools import groupby, pairwise

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.runner.batches import Batch, Query, cut
from dynptr_harness.runner.isolation import Isolation

from tests.unit.samples import made_up

EXPERIMENT = made_up("AAA-001").experiment
ALIKE = [made_up(f"AAA-00{number}", experiment=EXPERIMENT) for number in (1, 2, 3)]
BY_BOTH = made_up("BBB-001", loaders=("bcc", "libbpf"))
WHOLE = make(PROG_TYPES, CASES).cells


def shape(lots: list[Batch]) -> list[list[list[str]]]:
    """The cases of each question of each lot."""
    return [[[cell.case.id for cell in each.cells] for each in lot.questions] for lot in lots]


def questions(lots: list[Batch]) -> list[Query]:
    return [question for lot in lots for question in lot.questions]


@pytest.mark.parametrize("isolation", Isolation)
def test_every_cell_is_in_one_question_and_no_request_is_in_two(isolation: Isolation) -> None:
    asked = questions(cut(WHOLE, isolation))
    cells = [cell.key for question in asked for cell in question.cells]
    assert sorted(cells) == sorted(cell.key for cell in WHOLE)
    requests = [json.dumps(question.request, sort_keys=True) for question in asked]
    assert len(set(requests)) == len(requests)
    assert all(cell.request == question.request for question in asked for cell in question.cells)


@pytest.mark.parametrize(
    ("isolation", "expected"),
    [
        (Isolation.RUN, [[["AAA-001", "AAA-002"], ["BBB-001"], ["BBB-001"]]]),
        (Isolation.TYPE, [[["AAA-001", "AAA-002"], ["BBB-001"], ["BBB-001"]]]),
        (Isolation.CASE, [[["AAA-001", "AAA-002"]], [["BBB-001"]], [["BBB-001"]]]),
    ],
)
def test_what_is_together_in_a_lot_depends_on_the_isolation(
    isolation: Isolation, expected: list[list[list[str]]]
) -> None:
    cells = make(PROG_TYPES, [ALIKE[0], BY_BOTH, ALIKE[1]], ["SYSCALL"]).cells
    assert shape(cut(cells, isolation)) == expected


def test_without_isolation_a_lot_is_a_type_and_questions_to_one_program_come_in_a_row() -> None:
    lots = [lot for lot in cut(WHOLE, Isolation.RUN) if not lot.parallel]
    types = [{cell.prog_type.name for each in questions([lot]) for cell in each.cells} for lot in lots]
    assert all(len(names) == 1 for names in types)
    assert len(set().union(*types)) == len(lots)
    for lot in lots:
        programs = [each.cells[0].program for each in lot.questions]
        assert len([program for program, _ in groupby(programs)]) == len(set(programs))


def test_each_type_is_a_lot_where_types_are_isolated() -> None:
    types = [{cell.prog_type.name for each in questions([lot]) for cell in each.cells}
             for lot in cut(WHOLE, Isolation.TYPE)]  # fmt: skip
    assert sorted(types, key=sorted) == [{each.name} for each in sorted(PROG_TYPES, key=lambda t: t.name)]


def test_the_longest_lot_comes_first() -> None:
    lots = [lot for lot in cut(WHOLE, Isolation.RUN) if not lot.parallel]
    assert all(first.cost >= second.cost for first, second in pairwise(lots))


def test_what_needs_processors_at_the_same_time_is_one_lot_the_last() -> None:
    *others, last = cut(WHOLE, Isolation.RUN)
    assert last.parallel
    cases = [cell.case.id for each in last.questions for cell in each.cells]
    assert sorted(cases) == ["LOD-001", "LOD-002", "LOD-003"]
    assert not any(lot.parallel for lot in others)


@pytest.mark.parametrize("isolation", [Isolation.TYPE, Isolation.CASE])
def test_isolated_lots_that_need_processors_at_the_same_time_come_last(isolation: Isolation) -> None:
    parallel = [lot.parallel for lot in cut(WHOLE, isolation)]
    assert parallel == sorted(parallel)
    assert parallel.count(True) == len({"RAW_TRACEPOINT", "TRACEPOINT", "SYSCALL"})
