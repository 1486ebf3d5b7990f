"""Annotations for GitHub Actions: workflow commands that show unexpected results on the page of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.c_sources import functions_of
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.text import counted, excerpt, printable
from dynptr_harness.results.failures import unexpected_groups
from dynptr_harness.results.model import UNANSWERED, key_of
from dynptr_harness.results.notes import CellsByCase

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.loader import Catalogue
    from dynptr_harness.results.comparison import Comparison
    from dynptr_harness.results.model import Key, RunResult

SHOWN = 10  # GitHub shows ten errors, ten warnings and ten notices of a step
_LONGEST = 400  # characters of an expected and a seen result


def as_annotations(
    result: RunResult, catalogue: Catalogue, comparison: Comparison | None = None
) -> Iterator[str]:
    """Yield a workflow command for each group of unexpected results.

    A result that is not as expected is an error, a missing answer a warning. A failure that the baseline has,
    too, is a notice.
    """
    titles = result.titled(catalogue.cases)
    asked = {kernel.release: CellsByCase.of(result.cells_of(kernel)) for kernel in result.run.kernels}
    old = _unchanged(result, comparison)
    levels: dict[str, list[list[CellResult]]] = {"error": [], "warning": [], "notice": []}
    for cells in unexpected_groups(result, list(titles)):
        levels[_level(cells, old)].append(cells)
    for level, groups in levels.items():
        shown = groups if len(groups) <= SHOWN else groups[: SHOWN - 1]
        for cells in shown:
            yield _annotation(level, cells, asked[cells[0].kernel], titles, catalogue)
        if more := sum(map(len, groups[len(shown) :])):
            yield _command(level, {}, f"and {counted(more, 'more cell')}; the report has all")
    for kernel in result.run.kernels:
        if kernel.stopped:
            not_run = sum(cell.verdict is Verdict.NOT_RUN for cell in result.cells_of(kernel))
            text = f"Linux {kernel.release}: {counted(not_run, 'cell')} not run: {kernel.stopped}"
            yield _command("warning", {}, text)
    if comparison and comparison.lost_coverage:
        lost = counted(len(comparison.lost_coverage), "cell")
        yield _command("warning", {}, f"lost coverage: {lost} of the baseline without an answer")


def _unchanged(result: RunResult, comparison: Comparison | None) -> set[Key]:
    """Return the keys of the unexpected cells that the baseline has in the same way."""
    if not comparison:
        return set()
    changed = {key_of(change.after) for change in comparison.changes if change.after}
    return {key_of(cell) for cell in result.cells if not cell.ok} - changed


def _level(cells: Sequence[CellResult], old: set[Key]) -> str:
    if cells[0].verdict in UNANSWERED:
        return "warning"
    return "notice" if all(key_of(cell) in old for cell in cells) else "error"


def _annotation(
    level: str,
    cells: Sequence[CellResult],
    asked: CellsByCase,
    titles: Mapping[str, str],
    catalogue: Catalogue,
) -> str:
    first = cells[0]
    cases = list(dict.fromkeys(cell.case for cell in cells))
    what = f"{first.verdict.upper()} {asked.names(cases)}"
    if len(cases) == 1:
        message = f"{titles.get(first.case, '')} ({asked.where(cells)})\nexpected: {_cut(first.expected)}\n"
    else:
        message = f"{counted(len(cells), 'cell')}\n"
    properties = {**_place(first, catalogue), "title": f"Linux {first.kernel}: {what}"}
    return _command(level, properties, f"{message}seen: {_cut(first.seen)}")


def _place(cell: CellResult, catalogue: Catalogue) -> dict[str, str]:
    """Return the file and the line of the C program of a cell, if the catalogue has the case."""
    case = next((case for case in catalogue.cases if case.id == cell.case), None)
    prog_types = [each for each in catalogue.prog_types if each.name == cell.prog_type]
    for name in functions_of(case, prog_types) if case else ():
        if name in catalogue.programs:
            function = catalogue.programs[name]
            return {"file": f"bpf_src/{function.path}", "line": str(function.line)}
    return {}


def _cut(text: str) -> str:
    return excerpt(text, _LONGEST)


def _command(level: str, properties: Mapping[str, str], message: str) -> str:
    """Return a workflow command, escaped as the runner of GitHub reads it."""
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {given}::{_data(message)}" if given else f"::{level}::{_data(message)}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
