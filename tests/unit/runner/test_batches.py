"""Batches: every cell is in exactly one, and related cells share a batch."""

from __future__ import annotations

import json
from itertools import groupby, pairwise

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.runner.batches import Batch, Query, cut
from dynptr_harness.runner.isolation import Isolation

from tests.unit.samples import sample_case

EXPERIMENT = sample_case("AAA-001").experiment
ALIKE = [sample_case(f"AAA-00{number}", experiment=EXPERIMENT) for number in (1, 2, 3)]
BY_BOTH = sample_case("BBB-001", loaders=("bcc", "libbpf"))
WHOLE = make(PROG_TYPES, CASES).cells


def shape(batches: list[Batch]) -> list[list[list[str]]]:
    """Return the cases of each query of each batch."""
    return [[[cell.case.id for cell in each.cells] for each in batch.queries] for batch in batches]


def queries(batches: list[Batch]) -> list[Query]:
    return [query for batch in batches for query in batch.queries]


@pytest.mark.parametrize("isolation", Isolation)
def test_every_cell_is_in_exactly_one_query(isolation: Isolation) -> None:
    asked = queries(cut(WHOLE, isolation))
    cells = [cell.key for query in asked for cell in query.cells]
    assert sorted(cells) == sorted(cell.key for cell in WHOLE)
    requests = [json.dumps(query.request, sort_keys=True) for query in asked]
    assert len(set(requests)) == len(requests)
    assert all(cell.request == query.request for query in asked for cell in query.cells)


@pytest.mark.parametrize(
    ("isolation", "expected"),
    [
        (Isolation.RUN, [[["AAA-001", "AAA-002"], ["BBB-001"], ["BBB-001"]]]),
        (Isolation.TYPE, [[["AAA-001", "AAA-002"], ["BBB-001"], ["BBB-001"]]]),
        (Isolation.CASE, [[["AAA-001", "AAA-002"]], [["BBB-001"]], [["BBB-001"]]]),
    ],
)
def test_isolation_decides_the_batches(isolation: Isolation, expected: list[list[list[str]]]) -> None:
    cells = make(PROG_TYPES, [ALIKE[0], BY_BOTH, ALIKE[1]], ["SYSCALL"]).cells
    assert shape(cut(cells, isolation)) == expected


def test_queries_of_one_program_are_adjacent() -> None:
    batches = [batch for batch in cut(WHOLE, Isolation.RUN) if not batch.parallel]
    types = [{cell.prog_type.name for each in queries([batch]) for cell in each.cells} for batch in batches]
    assert all(len(names) == 1 for names in types)
    assert len(set().union(*types)) == len(batches)
    for batch in batches:
        programs = [each.cells[0].program for each in batch.queries]
        assert len([program for program, _ in groupby(programs)]) == len(set(programs))


def test_isolated_types_have_one_batch_each() -> None:
    types = [{cell.prog_type.name for each in queries([batch]) for cell in each.cells}
             for batch in cut(WHOLE, Isolation.TYPE)]  # fmt: skip
    assert sorted(types, key=sorted) == [{each.name} for each in sorted(PROG_TYPES, key=lambda t: t.name)]


def test_the_longest_batch_comes_first() -> None:
    batches = [batch for batch in cut(WHOLE, Isolation.RUN) if not batch.parallel]
    assert all(first.cost >= second.cost for first, second in pairwise(batches))


def test_parallel_queries_are_the_last_batch() -> None:
    *others, last = cut(WHOLE, Isolation.RUN)
    assert last.parallel
    cases = [cell.case.id for each in last.queries for cell in each.cells]
    assert sorted(cases) == ["LOD-001", "LOD-002", "LOD-003"]
    assert not any(batch.parallel for batch in others)


@pytest.mark.parametrize("isolation", [Isolation.TYPE, Isolation.CASE])
def test_isolated_parallel_batches_come_last(isolation: Isolation) -> None:
    parallel = [batch.parallel for batch in cut(WHOLE, isolation)]
    assert parallel == sorted(parallel)
    assert parallel.count(True) == len({"RAW_TRACEPOINT", "TRACEPOINT", "SYSCALL"})
