"""The table of program types in a result, and types of a kernel that the harness does not know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from dynptr_harness.conformance.judge import ATTACHED, NOT_TO_BE_HAD
from dynptr_harness.conformance.prog_types import PROG_TYPES
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.type_table import as_lines, rows, unknown_types

from tests.unit.samples import FACTS, cell, kernel_run, result, sample_type

TYPES = [sample_type("KPROBE"), sample_type("XDP"), sample_type("XDP/generic")]


def _wrong(verdict: Verdict, **changes: Any) -> dict[str, Any]:
    return {"verdict": verdict, "ok": False, **changes}


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({}, ("yes", "yes", "yes")),
        ({"verdict": Verdict.KNOWN_DEFECT}, ("yes", "yes", "yes")),
        ({"verdict": Verdict.ABSENT}, ("absent", "-", "-")),
        ({"verdict": Verdict.ABSENT, "reason": f"{NOT_TO_BE_HAD}: no counters"}, ("yes", "absent", "-")),
        (_wrong(Verdict.REJECTED), ("rejected", "-", "-")),
        (_wrong(Verdict.NOT_ALLOWED), ("not-allowed", "-", "-")),
        (_wrong(Verdict.FAIL, expected=ATTACHED), ("yes", "no", "-")),
        (_wrong(Verdict.NOT_FIRED), ("yes", "yes", "no")),
        (_wrong(Verdict.FAIL), ("yes", "yes", "fail")),
        (_wrong(Verdict.LOST), ("?", "?", "?")),
        (_wrong(Verdict.CRASH), ("?", "?", "?")),
        ({"case": "RSV-011"}, ("?", "?", "?")),
    ],
)
@pytest.mark.parametrize("case", ["ATT-002", "AVL-006"])
def test_a_row_shows_the_stages_of_the_example(
    case: str, changes: dict[str, Any], stages: tuple[str, ...]
) -> None:
    (row,) = rows(result([cell("XDP", **{"case": case, **changes})]), TYPES)
    assert (row.loaded, row.attached, row.fired) == stages


def test_a_row_counts_only_its_type() -> None:
    cells = [
        cell("XDP", "ATT-002"),
        cell("XDP", "RSV-001"),
        replace(cell("XDP", "RSV-002"), ok=False),
        cell("XDP/generic", "ATT-002"),
    ]
    table = list(rows(result(cells), TYPES))
    assert [(row.prog_type, row.as_expected, row.cases, row.listed) for row in table] == [
        ("XDP", 2, 3, False),
        ("XDP/generic", 1, 1, False),
    ]
    assert list(as_lines(table))[1] == ("XDP", "no", "yes", "yes", "yes", "2/3")


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        ({}, []),
        ({"KPROBE": 2, "XDP": 6}, []),
        ({"KPROBE": 2, "TELEPATHY": 99}, ["TELEPATHY (99)"]),
    ],
)
def test_a_type_unknown_to_the_harness_is_named(known: dict[str, int], unknown: list[str]) -> None:
    assert unknown_types(kernel_run(guest={**FACTS, "prog_types": known}), PROG_TYPES) == unknown
