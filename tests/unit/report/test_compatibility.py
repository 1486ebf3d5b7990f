"""The table of program types by kernels for application developers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dynptr_harness.conformance.judge import NOT_TO_BE_HAD
from dynptr_harness.conformance.prog_types import PROG_TYPES
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.compatibility import (
    CompatibilityTable,
    Support,
    as_document,
    as_lines,
    as_markdown,
)
from dynptr_harness.results.files import read

from tests.unit.samples import RELEASE, cell, kernel_run, result, sample_type
from tests.unit.schemas import validated

ROOT = Path(__file__).parents[3]
TYPES = [sample_type("KPROBE"), sample_type("XDP"), sample_type("XDP/generic")]
FAILED: dict[str, Any] = {"verdict": Verdict.FAIL, "ok": False, "seen": "nothing"}
ABSENT: dict[str, Any] = {"verdict": Verdict.ABSENT, "reason": "no XDP/generic: it came with 6.9"}
OTHER = "7.3.4"


def one(*cells: Any) -> tuple[Support, tuple[str, ...]]:
    """Return the answer of one kernel for XDP, and its reasons."""
    ((each,),) = CompatibilityTable.of(result(cells), TYPES).answers
    return each.answer, each.reasons


def example(prog_type: str = "XDP", **changes: Any) -> Any:
    return cell(prog_type, "ATT-002", **changes)


@pytest.mark.parametrize(
    ("cells", "answer", "reasons"),
    [
        ([example()], Support.YES, ()),
        ([cell("XDP", "AVL-006")], Support.YES, ()),
        ([example(verdict=Verdict.EXPECTED_DIFFERENCE)], Support.YES, ()),
        ([example(verdict=Verdict.ABSENT, reason="no helper")], Support.NO, ("no helper",)),
        ([example(verdict=Verdict.NOT_ALLOWED, seen="unknown func")], Support.NO, ("unknown func",)),
        ([example(verdict=Verdict.REJECTED, ok=False, seen="bad")], Support.NO, ("rejected: bad",)),
        ([example(verdict=Verdict.CRASH, ok=False, seen="Oops")], Support.NO, ("crash: Oops",)),
        ([example(verdict=Verdict.LOST, ok=False)], Support.UNKNOWN, ()),
        ([example(verdict=Verdict.ABSENT, reason=f"{NOT_TO_BE_HAD}: no counters")], Support.UNKNOWN, ()),
        ([cell("XDP", "RSV-001")], Support.UNKNOWN, ()),
        ([example("XDP/generic")], Support.UNKNOWN, ()),
        (
            [example(verdict=Verdict.NOT_FIRED, ok=False, seen="no event")],
            Support.PARTLY,
            ("without XDP: not-fired: no event", "not as expected: ATT-002"),
        ),
        ([example(), example("XDP/generic")], Support.YES, ()),
        (
            [example(), example("XDP/generic", **ABSENT)],
            Support.PARTLY,
            ("without generic: it came with 6.9",),
        ),
        ([example(), cell("XDP", "RSV-001", **FAILED)], Support.PARTLY, ("not as expected: RSV-001",)),
        ([example(), cell("XDP", "RSV-001", verdict=Verdict.LOST, ok=False)], Support.YES, ()),
    ],
)
def test_a_type_has_an_answer_and_reasons(
    cells: list[Any], answer: Support, reasons: tuple[str, ...]
) -> None:
    assert one(*cells) == (answer, reasons)


def two_kernels() -> CompatibilityTable:
    absent = {"verdict": Verdict.ABSENT, "reason": "no helper|198"}
    cells = [
        *(replace(example(name), **absent) for name in ("KPROBE", "XDP")),
        *(replace(example(name), kernel=OTHER) for name in ("KPROBE", "XDP")),
    ]
    return CompatibilityTable.of(result(cells, [kernel_run(), kernel_run(release=OTHER)]), TYPES)


def test_the_text_has_a_column_for_each_kernel_and_merges_reasons() -> None:
    lines = list(as_lines(two_kernels()))
    assert [line.split() for line in lines[:3]] == [
        ["program", "type", "6.12", "7.3"], ["KPROBE", "no", "yes"], ["XDP", "no", "yes"],
    ]  # fmt: skip
    assert lines[-2:] == ["no on 6.12: KPROBE, XDP", "  no helper|198"]
    assert all(len(line) <= 80 for line in as_lines(two_kernels(), 80))


def test_the_markdown_is_a_page() -> None:
    text = as_markdown(two_kernels())
    assert text.startswith("## Program types that can call ")
    assert f"Measured on Linux {RELEASE}, {OTHER}." in text
    assert "| program type | 6.12 | 7.3 |\n| --- | --- | --- |\n| `KPROBE` | **no** | yes |" in text
    assert "- no on 6.12: KPROBE, XDP: no helper\\|198\n" in text


def test_the_json_matches_the_schema() -> None:
    made = validated("types", json.dumps(as_document(two_kernels())))
    assert made["prog_types"][0]["answers"][0] == {
        "kernel": RELEASE, "answer": "no", "reasons": ["no helper|198"],
    }  # fmt: skip


def test_kernels_of_one_series_are_told_apart() -> None:
    other = RELEASE.replace("107", "108")
    made = CompatibilityTable.of(
        result([example(), example(kernel=other)], [kernel_run(), kernel_run(release=other)]), TYPES
    )
    assert made.heads == [RELEASE, other]


def test_the_baselines_agree_with_the_history_of_the_kernel() -> None:
    made = CompatibilityTable.of(read([ROOT / "baselines"]), PROG_TYPES)
    rows = {row[0]: dict(zip(made.heads, row[1:], strict=True)) for row in made.rows()}
    assert {rows[name]["5.10"] for name in rows} == {"no"}
    assert rows["NETFILTER"]["6.1"] == "no"  # the type came with 6.4
    assert rows["SCHED_CLS"]["6.1"] == "partly"  # tcx came with 6.6
    assert rows["XDP"]["6.1"] == rows["XDP"]["7.3"] == "yes"
    assert {rows["LIRC_MODE2"][head] for head in made.heads} == {"no"}
