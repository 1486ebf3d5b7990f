"""Annotations for GitHub Actions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dynptr_harness.conformance import loader
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.github import SHOWN, as_annotations
from dynptr_harness.results.comparison import compare

from tests.unit.samples import RELEASE, TYPES, cell, kernel_run, result

ROOT = Path(__file__).parents[3]
CATALOGUE = loader.load()
FAILED = cell("LSM", verdict=Verdict.FAIL, ok=False, seen="50%: a, b\nend")
LOST = cell("LSM", "RSV-001", verdict=Verdict.LOST, ok=False, seen="QEMU was ended")


def lines(*cells: object, **changes: object) -> list[str]:
    return list(as_annotations(result(cells, **changes), CATALOGUE))  # type: ignore[arg-type]


def test_a_good_result_has_no_annotation() -> None:
    assert lines(cell(), cell("LSM", verdict=Verdict.ABSENT)) == []


def test_failures_are_errors_and_missing_answers_warnings() -> None:
    error, warning = lines(LOST, FAILED)
    assert error.startswith("::error file=bpf_src/")
    assert warning.startswith("::warning file=bpf_src/elf/held_steps.bpf.c,line=")
    assert warning.endswith("%0Aseen: QEMU was ended")


def test_text_is_escaped() -> None:
    gone = cell("LSM", "OLD-001", verdict=Verdict.CRASH, ok=False, expected="a::b", seen="50%: a, b\r\nend")
    (line,) = lines(gone)
    assert line == (
        f"::error title=Linux {RELEASE}%3A CRASH OLD-001:: (in LSM)%0Aexpected: a::b%0Aseen: 50%25: a, b end"
    )


def test_the_place_is_the_program_in_the_source() -> None:
    (line,) = lines(cell("RAW_TRACEPOINT", "VER-001", verdict=Verdict.FAIL, ok=False))
    properties = dict(each.split("=") for each in line.split("::")[1].removeprefix("error ").split(",")[:2])
    source = (ROOT / properties["file"]).read_text().splitlines()
    assert "ver_001" in source[int(properties["line"]) - 1]


def test_equal_failures_share_an_annotation_and_the_rest_is_counted() -> None:
    alike = [replace(FAILED, prog_type=name) for name in TYPES]
    assert len(lines(*alike)) == 1
    different = [replace(FAILED, case=f"RSV-{n:03}") for n in range(1, SHOWN + 3)]
    made = lines(*different)
    assert len(made) == SHOWN
    assert made[-1] == "::error::and 3 more cells; the report has all"
    assert len(lines(*different[:SHOWN])) == SHOWN
    assert "more cell" not in lines(*different[:SHOWN])[-1]


def test_failures_of_the_baseline_are_notices() -> None:
    before = result([FAILED, cell()])
    after = result([FAILED, cell(verdict=Verdict.FAIL, ok=False)])
    made = list(as_annotations(after, CATALOGUE, compare(before, after)))
    assert [line.split()[0] for line in made] == ["::error", "::notice"]


def test_lost_coverage_and_a_stopped_kernel_are_warnings() -> None:
    not_run = cell("LSM", verdict=Verdict.NOT_RUN, ok=False, seen="not run: no boot")
    after = result([not_run], [kernel_run(stopped="no boot")])
    made = list(as_annotations(after, CATALOGUE, compare(result([cell("LSM"), cell()]), after)))
    assert made == [
        f"::warning::Linux {RELEASE}: 1 cell not run: no boot",
        "::warning::lost coverage: 2 cells of the baseline without an answer",
    ]


@pytest.mark.parametrize("verdict", [Verdict.HANG, Verdict.REJECTED, Verdict.NOT_FIRED])
def test_every_unexpected_verdict_is_an_error(verdict: Verdict) -> None:
    assert lines(replace(FAILED, verdict=verdict))[0].startswith("::error ")
