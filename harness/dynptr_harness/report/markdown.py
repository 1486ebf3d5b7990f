"""The report as Markdown for the summary of a CI job: a short overview, and folded details."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.groups import group_of
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus
from dynptr_harness.core.text import counted
from dynptr_harness.report.comparison import as_markdown as comparison_as_markdown
from dynptr_harness.report.markup import code, details, plain, table
from dynptr_harness.results.failures import unexpected_groups
from dynptr_harness.results.model import COMPLETE
from dynptr_harness.results.notes import CellsByCase, notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.report.matrix import CaseHead
    from dynptr_harness.results.comparison import Comparison
    from dynptr_harness.results.model import KernelRun, RunResult

_SHOWN = 50  # rows of unexpected results
_HEADINGS = {
    ExitStatus.AS_EXPECTED: "✅ Every cell is as expected",
    ExitStatus.NOT_AS_EXPECTED: "❌ Not every cell is as expected",
    ExitStatus.ENVIRONMENT_FAILED: "⚠️ Answers are missing",
}


def as_markdown(result: RunResult, cases: Sequence[CaseHead], comparison: Comparison | None = None) -> str:
    """Return the report. It stays below GitHub's limit of 1 MiB, because it does not list every cell.

    Args:
        cases: cases of the catalogue, for titles and order.
        comparison: comparison with a baseline.
    """
    titles = {case.id: case.title for case in cases}
    parts = [f"## {_HEADINGS[result.status]}", _totals(result), _kernels(result)]
    if comparison:
        parts.append(comparison_as_markdown(comparison).rstrip())
    parts += _problems(result, titles)
    for kernel in result.run.kernels:
        parts += _stopped(kernel, result)
    for kernel in result.run.kernels:
        cells = result.cells_of(kernel)
        if kernel.guest:
            parts.append(details(f"Linux {kernel.release}: matrix", _matrix(cells, list(titles))))
        rows = [[each.verdict.value, plain(each.cases), plain(each.text)] for each in notes(cells, titles)]
        if rows:
            heading = f"Linux {kernel.release}: known defects, documented differences, absences"
            parts.append(details(heading, table(["verdict", "cases", "description"], rows)))
    parts.append(details("Provenance", _provenance(result)))
    return "\n\n".join(parts) + "\n"


def _totals(result: RunResult) -> str:
    totals = result.totals
    ended = "" if result.run.ended == COMPLETE else f"{plain(result.run.ended)}; "
    return (
        f"{ended}{counted(len(result.run.kernels), 'kernel')}, {counted(totals.planned, 'cell')}: "
        f"**{totals.ok} as expected**, **{totals.planned - totals.ok} not**, "
        f"{totals.not_run} of these not run"
    )


def _kernels(result: RunResult) -> str:
    """Return a table with a row for each kernel and a column for each verdict that occurs."""
    shown = [verdict for verdict in Verdict if result.totals.verdicts[verdict]]
    rows = []
    for kernel in result.run.kernels:
        cells = result.cells_of(kernel)
        good = sum(cell.ok for cell in cells)
        sign = "✅" if good == len(cells) else "❌"
        counts = [sum(cell.verdict is verdict for cell in cells) for verdict in shown]
        rows.append(
            [f"{sign} {plain(kernel.release)}", f"{good}/{len(cells)}", *(str(n or "") for n in counts)]
        )
    return table(["kernel", "as expected", *(verdict.value for verdict in shown)], rows)


def _problems(result: RunResult, titles: Mapping[str, str]) -> Iterator[str]:
    by_case = {kernel.release: CellsByCase.of(result.cells_of(kernel)) for kernel in result.run.kernels}
    problems = unexpected_groups(result, list(titles))
    if not problems:
        return
    rows = []
    for cells in problems[:_SHOWN]:
        first = cells[0]
        names = by_case[first.kernel].names(list(dict.fromkeys(cell.case for cell in cells)))
        where = f"{by_case[first.kernel].where(cells)} ({first.kernel})"
        rows.append(
            [first.verdict.upper(), plain(names), plain(where), code(first.expected), code(first.seen)]
        )
    yield "### Not as expected"
    yield table(["verdict", "case", "where", "expected", "seen"], rows)
    if more := sum(map(len, problems[_SHOWN:])):
        yield f"and {counted(more, 'more cell')}"


def _stopped(kernel: KernelRun, result: RunResult) -> Iterator[str]:
    if kernel.stopped:
        missing = sum(cell.verdict is Verdict.NOT_RUN for cell in result.cells_of(kernel))
        not_run = f"{counted(missing, 'cell')} not run"
        yield f"**Linux {plain(kernel.release)}: {not_run}: {plain(kernel.stopped)}**"
    for splat in kernel.splats:
        yield f"**Linux {plain(kernel.release)}, outside of cells:** {code(splat)}"


def _matrix(cells: Sequence[CellResult], order: Sequence[str]) -> str:
    """Return a table with a row for each program type and a column for each group."""
    place = {group_of(case): number for number, case in enumerate(reversed(order))}
    groups = sorted({group_of(cell.case) for cell in cells}, key=lambda group: -place.get(group, -1))
    rows = []
    for prog_type in dict.fromkeys(cell.prog_type for cell in cells):
        of_type = [cell for cell in cells if cell.prog_type == prog_type]
        fields = [_count([cell for cell in of_type if group_of(cell.case) == group]) for group in groups]
        rows.append([f"`{prog_type}`", *fields])
    return table(["program type", *groups], rows)


def _count(cells: Sequence[CellResult]) -> str:
    good = sum(cell.ok for cell in cells)
    if good < len(cells):
        return f"**❌ {good}/{len(cells)}**"
    if cells and all(cell.verdict is Verdict.ABSENT for cell in cells):
        return "absent"
    return str(len(cells)) if cells else ""


def _provenance(result: RunResult) -> str:
    rows = []
    for kernel in result.run.kernels:
        package = f"{kernel.package} {kernel.package_version}" if kernel.package else kernel.origin
        tools = [
            f"{tool} {kernel.guest[tool]}" for tool in ("bcc", "libbpf", "clang") if tool in kernel.guest
        ]
        added = f" ({' '.join(kernel.append)})" if kernel.append else ""
        rows.append([plain(kernel.release + added), plain(package), plain(kernel.accelerator or "not booted"),
                     plain(", ".join(tools)), f"`{kernel.sha256}`"])  # fmt: skip
    run = result.run
    facts = f"dynptr-harness {run.harness}, QEMU {run.qemu}, started {run.started}, {run.seconds:.0f} s"
    return f"{plain(facts)}\n\n{table(['kernel', 'package', 'accelerator', 'guest', 'SHA-256'], rows)}"
