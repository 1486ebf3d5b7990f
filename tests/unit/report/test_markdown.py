"""The Markdown report and the picture of a result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.markdown import as_markdown
from dynptr_harness.report.svg import as_svg
from dynptr_harness.results.comparison import compare

from tests.unit.samples import HEADS, RELEASE, TYPES, cell, full, kernel_run, result

if TYPE_CHECKING:
    from dynptr_harness.results.model import RunResult

OTHER = "7.3.4+deb14-cloud-amd64"
FAILED = cell(verdict=Verdict.FAIL, ok=False, seen="a | b <script> *c* _d_ `e`")
NOT_RUN = cell("TRACING", verdict=Verdict.NOT_RUN, ok=False, seen="not run: interrupted")
DEFECT = cell("LSM", "RSV-002", verdict=Verdict.KNOWN_DEFECT, reason="a `slice` outlives it")
GITHUB_TAKES = 1 << 20  # bytes of a job's summary


def first_screen(text: str) -> list[str]:
    return text.splitlines()[:20]


@pytest.mark.parametrize(
    ("made", "heading", "counts"),
    [
        (result(full()), "✅ Every cell is as expected", f"**{len(full())} as expected**, **0 not**"),
        (result([cell(), FAILED]), "❌ Not every cell is as expected", "**1 as expected**, **1 not**"),
        (result([cell(), NOT_RUN]), "⚠️ Answers are missing", "**1 not**, 1 of these not run"),
    ],
)
def test_the_first_lines_have_the_outcome(made: RunResult, heading: str, counts: str) -> None:
    lines = first_screen(as_markdown(made, HEADS))
    assert lines[0] == f"## {heading}"
    assert counts in lines[2]


def test_the_first_screen_has_a_row_for_each_kernel() -> None:
    made = result([cell(), DEFECT, cell(kernel=OTHER), FAILED], [kernel_run(), kernel_run(release=OTHER)])
    lines = first_screen(as_markdown(made, HEADS))
    assert "| kernel | as expected | pass | known-defect | fail |" in lines
    assert f"| ❌ {RELEASE} | 2/3 | 1 | 1 | 1 |" in lines
    assert f"| ✅ {OTHER} | 1/1 | 1 |  |  |" in lines


def test_unexpected_results_are_escaped() -> None:
    text = as_markdown(result([FAILED, NOT_RUN, DEFECT]), HEADS)
    assert "| FAIL | RSV-011 | in KPROBE (" in text
    assert "<code>a &#124; b &#60;script&#62; &#42;c&#42; &#95;d&#95; &#96;e&#96;</code>" in text
    assert r"a \`slice\` outlives it" in text


def test_details_are_folded() -> None:
    text = as_markdown(result([*full(), DEFECT]), HEADS)
    for title in (f"Linux {RELEASE}: matrix", f"Linux {RELEASE}: known defects", "Provenance"):
        assert f"<details><summary>{title}" in text
    assert "| `LSM` | 14 |" in text
    assert "bcc 0.31.0" in text


def test_kernel_arguments_are_shown() -> None:
    text = as_markdown(result([cell()], [kernel_run(append=("nokaslr", "slub_debug=FZ"))]), HEADS)
    assert rf"| {RELEASE} (nokaslr slub\_debug=FZ) |" in text


def test_the_comparison_comes_before_the_details() -> None:
    before, after = result([cell(), cell("LSM")]), result([FAILED, cell("LSM")])
    text = as_markdown(after, HEADS, compare(before, after))
    assert text.index("### ❌ Compared with the baseline") < text.index("### Not as expected")


def test_many_failures_fit_a_job_summary() -> None:
    releases = [f"6.{number}.1-cloud-amd64" for number in range(11)]
    wrong = [
        cell(name, f"RSV-{case:03}", kernel=release, verdict=Verdict.FAIL, ok=False, seen=f"{case} &" * 999)
        for release in releases
        for name in TYPES
        for case in range(60)
    ]
    made = result(wrong, [kernel_run(release=release) for release in releases])
    text = as_markdown(made, HEADS, compare(result([cell()]), made))
    assert "more cells" in text
    assert len(text.encode()) < GITHUB_TAKES / 2


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314  (ours)


def test_the_picture_has_a_box_for_each_type_and_kernel() -> None:
    way = cell("KPROBE/uprobe")
    cells = [
        cell(),
        replace(FAILED, case="RSV-001"),
        way,
        DEFECT,
        cell("TRACING", kernel=OTHER, verdict=Verdict.ABSENT),
    ]
    svg = as_svg(result(cells, [kernel_run(), kernel_run(release=OTHER)]))
    told = texts(svg)
    assert told[:3] == ["bpf_ringbuf_reserve_dynptr: 4 of 5 cells as expected", "6.12", "7.3"]
    assert told[3:-1] == ["KPROBE", "2/3", "LSM", "1 k", "TRACING", "absent"]
    assert "prefers-color-scheme: dark" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
