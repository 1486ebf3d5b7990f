"""The report on a terminal: a matrix for each kernel, its legend, unexpected results, and a summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from dynptr_harness.conformance.prog_types import PROG_TYPES
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus
from dynptr_harness.core.text import columns, console_part, counted, printable, tail
from dynptr_harness.report.matrix import Matrix
from dynptr_harness.report.type_table import unknown_types
from dynptr_harness.results.failures import unexpected_groups
from dynptr_harness.results.model import COMPLETE, UNANSWERED
from dynptr_harness.results.notes import CellsByCase, notes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.report.repeat import Sources
    from dynptr_harness.results.model import CaseTitle, KernelRun, RunResult

_EXCERPT = 15  # lines of a log or a console; the files have the rest
_DETAILED = 25  # unexpected results shown in full
_CONSOLES = 5  # console files named for each kernel
_INDENT = "    "


@dataclass(frozen=True)
class _Case:
    id: str
    title: str


@dataclass(frozen=True)
class TerminalReport:
    """The report, printable with rich. Tables are never wider than the console.

    Text is wrapped at the width of the console, or not at all if rich prints without wrapping.

    Attributes:
        result: the run.
        cases: cases of the catalogue, for headings and the legend.
        brief: show only unexpected results and the summary.
        sources: for the command that repeats a cell, and the places of its sources. None to show neither.
    """

    result: RunResult
    cases: Sequence[CaseTitle]
    brief: bool = False
    sources: Sources | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the parts for rich to print."""
        width = None if options.no_wrap else options.max_width
        titles = {case: printable(title) for case, title in self.result.titled(self.cases).items()}
        if not self.brief:
            cases = [_Case(case, title) for case, title in titles.items()]
            yield from _matrices(self.result, cases, options.max_width, width)
            for kernel in self.result.run.kernels:
                yield from _notes(kernel, self.result.cells_of(kernel), titles, width)
        yield from _problems(self.result, titles, width, self.sources)
        for kernel in self.result.run.kernels:
            yield from _kernel_notes(kernel, self.result.cells_of(kernel), width)
        yield _summary(self.result)


def _matrices(
    result: RunResult, cases: Sequence[CaseTitle], room: int, width: int | None
) -> Iterator[RenderableType]:
    booted = [kernel for kernel in result.run.kernels if kernel.guest]
    cells = [cell for kernel in booted for cell in result.cells_of(kernel)]
    if not cells:
        return
    matrix = Matrix(cells, cases, room)
    for kernel in booted:
        yield _kernel_line(kernel, result.run.qemu)
        yield from matrix.of_kernel(kernel.release)
        yield Text()
    yield Text("\n".join(columns(matrix.legend(), width)))
    yield Text(f"{matrix.key()}\n", "dim")


def _kernel_line(kernel: KernelRun, qemu: str) -> Text:
    package = f"{kernel.package} {kernel.package_version}" if kernel.package else kernel.origin
    tools = [f"{tool} {kernel.guest[tool]}" for tool in ("bcc", "libbpf", "clang") if tool in kernel.guest]
    added = f"booted with {' '.join(kernel.append)}" if kernel.append else ""
    machine = f"QEMU {qemu} {kernel.accelerator}" if qemu else ""
    facts = [kernel.arch, package, machine, *tools, added]
    return Text.assemble(
        (f"Linux {kernel.release}", "bold"), (f" ({', '.join(fact for fact in facts if fact)})", "dim")
    )


def _notes(
    kernel: KernelRun, cells: Sequence[CellResult], titles: Mapping[str, str], width: int | None
) -> Iterator[RenderableType]:
    """Yield the results that are as expected but not `pass`."""
    rows = [(each.verdict.value, f"{each.cases}  {printable(each.text)}") for each in notes(cells, titles)]
    if rows:
        yield Text(
            f"Linux {kernel.release}: known defects, documented differences, absences (no failures)", "bold"
        )
        for line in columns(rows, width):
            yield Text(line, "yellow" if line.startswith(Verdict.KNOWN_DEFECT) else "")
        yield Text()


def _problems(
    result: RunResult, titles: Mapping[str, str], width: int | None, sources: Sources | None
) -> Iterator[RenderableType]:
    """Yield the unexpected results. Cells that were not run are left to `_kernel_notes`."""
    by_case = {kernel.release: CellsByCase.of(result.cells_of(kernel)) for kernel in result.run.kernels}
    problems = unexpected_groups(result, list(titles))
    kernels = {kernel.release: kernel for kernel in result.run.kernels}
    for cells in problems[:_DETAILED]:
        yield from _problem(cells, by_case[cells[0].kernel], titles, width)
        for label, lines in sources.lines(kernels[cells[0].kernel], cells[0]) if sources else ():
            yield from _quoted(label, lines, width)
        yield Text()
    more = [cell for cells in problems[_DETAILED:] for cell in cells]
    if more:
        names = ", ".join(dict.fromkeys(cell.case for cell in more))
        yield Text(
            f"... and {counted(len(more), 'more cell')} not as expected; --json FILE writes all", "red"
        )
        yield from _quoted("cases", [names], width)
        yield Text()


def _problem(
    cells: Sequence[CellResult], by_case: CellsByCase, titles: Mapping[str, str], width: int | None
) -> Iterator[RenderableType]:
    """Yield one result that all of these cells have: cells of one case, or cells without an answer."""
    cell = cells[0]
    cases = list(dict.fromkeys(each.case for each in cells))
    loaders = ", ".join(dict.fromkeys(each.loader for each in cells))
    if len(cases) == 1:
        heading = f"{cell.verdict.upper()} {cell.case} {by_case.where(cells)}"
        title = f": {titles.get(cell.case, '')}"
    else:
        heading, title = f"{cell.verdict.upper()} {counted(len(cells), 'cell')} of {by_case.names(cases)}", ""
    yield Text.assemble((heading, "bold red"), f"{title} ({cell.kernel}, {loaders})")
    if len(cases) == 1:
        yield from _quoted("expected", cell.expected.splitlines(), width)
    yield from _quoted("seen", cell.seen.splitlines(), width)
    if cell.log:
        yield from _quoted(
            "verifier log" if cell.verdict not in UNANSWERED else "log", tail(cell.log, _EXCERPT), width
        )
    if cell.console:
        yield from _quoted("console", console_part(cell.console, _EXCERPT), width)


def _quoted(name: str, lines: Sequence[str], width: int | None) -> Iterator[RenderableType]:
    """Yield a label and text: one line beside the label, several lines indented below it."""
    texts = [printable(line) for line in lines] or ["(nothing)"]
    if len(texts) == 1:
        label = f"{_INDENT}{f'{name}:':9}"  # as wide as 'expected:'
        first, *more = columns([(label, texts[0])], width)
        yield Text.assemble((label, "bold"), first[len(label) :])
    else:
        yield Text.assemble(_INDENT, (f"{name}:", "bold"))
        more = list(columns([(_INDENT, line) for line in texts], width))
    if more:
        yield Text("\n".join(more))


def _kernel_notes(
    kernel: KernelRun, cells: Sequence[CellResult], width: int | None
) -> Iterator[RenderableType]:
    """Yield unknown types, warnings, why the run stopped, and the console files after a failure."""
    if unknown := unknown_types(kernel, PROG_TYPES):
        names = ", ".join(unknown)
        yield Text(f"Linux {kernel.release}: program types unknown to the harness: {names}", "yellow")
    for splat in kernel.splats:
        yield Text(f"Linux {kernel.release}, outside of cells: {printable(splat)}", "bold red")
    if kernel.stopped:
        missing = sum(cell.verdict is Verdict.NOT_RUN for cell in cells)
        yield Text(
            f"Linux {kernel.release}: {counted(missing, 'cell')} not run: {printable(kernel.stopped)}",
            "bold red",
        )
        if kernel.last_console:
            yield from _quoted("console", console_part(kernel.last_console, _EXCERPT), width)
    if kernel.consoles and any(not cell.ok for cell in cells):
        few = kernel.consoles[:_CONSOLES]
        more = len(kernel.consoles) - len(few)
        yield from _quoted(
            "whole console", [*few, *([f"and {more} more in the same directory"] if more else [])], width
        )
        yield Text()


def _summary(result: RunResult) -> Text:
    totals = result.totals
    words = [f"{count} {word}" for word, count in totals.verdicts.items() if count]
    ended = "" if result.run.ended == COMPLETE else f"{result.run.ended}: "
    return Text(
        f"{ended}{counted(totals.planned, 'cell')} planned, {totals.run} run, {totals.not_run} not run: "
        f"{totals.ok} as expected, {totals.planned - totals.ok} not ({', '.join(words)}) "
        f"in {result.run.seconds:.1f} s",
        "bold green" if result.status is ExitStatus.AS_EXPECTED else "bold red",
    )
