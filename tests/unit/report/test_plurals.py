"""Reports of one cell on one kernel: no '1 cells' anywhere."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.comparison import ComparisonReport
from dynptr_harness.report.comparison import as_markdown as comparison_as_markdown
from dynptr_harness.report.markdown import as_markdown
from dynptr_harness.report.svg import as_svg
from dynptr_harness.report.terminal import TerminalReport
from dynptr_harness.results.comparison import compare
from rich.console import Console

from tests.unit.samples import HEADS, cell, kernel_run, result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.results.model import RunResult
    from rich.console import RenderableType

WRONG_PLURAL = re.compile(r"\b1 (more )?(cells|cases|kernels|types|regressions|lines|machines|times)\b")
STOPPED = kernel_run(stopped="the guest did not boot")
ONE_CELL = {
    "passed": result([cell()]),
    "failed": result([cell(verdict=Verdict.FAIL, ok=False, log="a line")]),
    "lost": result([cell(verdict=Verdict.LOST, ok=False)]),
    "not run": result([cell(verdict=Verdict.NOT_RUN, ok=False)], [STOPPED]),
    "absent": result([cell(verdict=Verdict.ABSENT, reason="no helper")]),
    "known defect": result([cell(verdict=Verdict.KNOWN_DEFECT, reason="a defect")]),
    "cut": result(cell("LSM", f"RSV-{number:03}", verdict=Verdict.FAIL, ok=False) for number in range(1, 27)),
    "cut in Markdown": result(
        cell("LSM", f"RSV-{number:03}", verdict=Verdict.FAIL, ok=False) for number in range(1, 52)
    ),
}


def printed(part: RenderableType, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(part)
    return " ".join(out.getvalue().split())


def reports(made: RunResult) -> Iterator[str]:
    for width in (60, 120, 200):
        yield printed(TerminalReport(made, HEADS), width)
    yield as_markdown(made, HEADS)
    yield as_svg(made)
    nothing = result([cell("LSM", "RSV-002")])
    for before, after in ((made, made), (nothing, made), (made, nothing)):
        comparison = compare(before, after)
        yield printed(ComparisonReport(comparison), 120)
        yield comparison_as_markdown(comparison)


@pytest.mark.parametrize("made", ONE_CELL.values(), ids=ONE_CELL.keys())
def test_one_is_singular(made: RunResult) -> None:
    for text in reports(made):
        assert not WRONG_PLURAL.search(text), text


def test_the_reports_count_cells_and_kernels() -> None:
    texts = list(reports(ONE_CELL["not run"]))
    for words in ("1 cell planned", "1 cell not run: the guest did not boot", "1 kernel, 1 cell"):
        assert any(words in text for text in texts), words
    assert any("... and 1 more cell not as expected" in text for text in reports(ONE_CELL["cut"]))
    assert any("and 1 more cell" in text for text in reports(ONE_CELL["cut in Markdown"]))
