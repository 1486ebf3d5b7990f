"""The data of the HTML page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from dynptr_harness.conformance import loader
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.html_data import PageData
from dynptr_harness.results.comparison import Kind, compare

from tests.unit.samples import cell, result

CATALOGUE = loader.load()
OLD = cell("LSM", "OLD-001")


@pytest.mark.parametrize("where", ["result", "baseline"])
def test_a_removed_case_keeps_its_title(where: str) -> None:
    with_old = replace(result([cell("LSM"), OLD]), titles={"OLD-001": "a case that was removed"})
    made = with_old if where == "result" else result([cell("LSM")])
    comparison = compare(with_old, made)
    cases = PageData(made, CATALOGUE, comparison).document()["cases"]
    assert [case["title"] for case in cases if case["id"] == "OLD-001"] == ["a case that was removed"]


def test_the_catalogue_has_the_current_title() -> None:
    made = replace(result([cell("LSM")]), titles={"RSV-011": "an old title"})
    (case,) = PageData(made, CATALOGUE, None).document()["cases"]
    assert case["title"] == next(case.title for case in CATALOGUE.cases if case.id == "RSV-011")


def test_absences_are_counted() -> None:
    made = result([cell("LSM"), cell("LSM", "RSV-001", verdict=Verdict.ABSENT)])
    assert PageData(made, CATALOGUE, None).document()["totals"] == {"planned": 2, "ok": 2, "absent": 1}


def test_a_change_refers_to_its_kind() -> None:
    lost = cell("LSM", verdict=Verdict.LOST, ok=False)
    document = PageData(result([lost]), CATALOGUE, compare(result([cell("LSM")]), result([lost]))).document()
    assert document["changes"] == list(Kind)
    assert document["baseline"]["counts"]["unanswered"] == 1
