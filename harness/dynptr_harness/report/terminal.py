"""The result for people: a matrix a kernel, what its columns mean, what is not as expected, and a summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from dynptr_harness.conformance.prog_types import PROG_TYPES
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus
from dynptr_harness.core.text import columns, console_part, printable, tail
from dynptr_harness.report.matrix import Matrix
from dynptr_harness.report.type_table import unknown_types
from dynptr_harness.results.failures import alike
from dynptr_harness.results.model import COMPLETE, UNANSWERED
from dynptr_harness.results.notes import Asked, remarks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.report.matrix import CaseHead
    from dynptr_harness.results.model import KernelRun, RunResult

_EXCERPT = 15  # lines of a log or a console that are shown; the whole is in the files
_DETAILED = 25  # answers not as expected that are shown in full
_CONSOLES = 5  # of a kernel whose files are named
_INDENT = "    "


@dataclass(frozen=True)
class TerminalReport:
    """The report as something rich prints: tables as wide as the console allows and no wider.

    Text is wrapped at that width, unless it is printed without wrapping, as into a pipe: then what is one
    line stays one line.

    Attributes:
        result: the run.
        cases: the catalogue's cases, for headings and the legend.
        brief: only what is not as expected, and the summary.
    """

    result: RunResult
    cases: Sequence[CaseHead]
    brief: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """What rich calls to print this."""
        width = None if options.no_wrap else options.max_width
        titles = {case.id: printable(case.title) for case in self.cases}
        if not self.brief:
            yield from _matrices(self.result, self.cases, options.max_width, width)
            for kernel in self.result.run.kernels:
                yield from _remarks(kernel, self.result.cells_of(kernel), titles, width)
        yield from _problems(self.result, titles, width)
        for kernel in self.result.run.kernels:
            yield from _afterword(kernel, self.result.cells_of(kernel), width)
        yield _summary(self.result)


def _matrices(
    result: RunResult, cases: Sequence[CaseHead], room: int, width: int | None
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


def _remarks(
    kernel: KernelRun, cells: Sequence[CellResult], titles: Mapping[str, str], width: int | None
) -> Iterator[RenderableType]:
    """What is as expected of this kernel and yet no plain pass."""
    rows = [(each.verdict.value, f"{each.cases}  {printable(each.text)}") for each in remarks(cells, titles)]
    if rows:
        yield Text(
            f"Linux {kernel.release}: known defects, documented differences, absences (no failures)", "bold"
        )
        for line in columns(rows, width):
            yield Text(line, "yellow" if line.startswith(Verdict.KNOWN_DEFECT) else "")
        yield Text()


def _problems(result: RunResult, titles: Mapping[str, str], width: int | None) -> Iterator[RenderableType]:
    """Each answer that is not as expected; the cells not run share one reason a kernel."""
    asked = {kernel.release: Asked.of(result.cells_of(kernel)) for kernel in result.run.kernels}
    problems = alike(result, list(titles))
    for cells in problems[:_DETAILED]:
        yield from _problem(cells, asked[cells[0].kernel], titles, width)
    more = [cell for cells in problems[_DETAILED:] for cell in cells]
    if more:
        names = ", ".join(dict.fromkeys(cell.case for cell in more))
        yield Text(f"... and {len(more)} cells more not as expected; --json FILE writes them all", "red")
        yield from _quoted("cases", [names], width)
        yield Text()


def _problem(
    cells: Sequence[CellResult], asked: Asked, titles: Mapping[str, str], width: int | None
) -> Iterator[RenderableType]:
    """One answer, given by all of these cells: those of a case in several types, or by several loaders."""
    cell = cells[0]
    cases = list(dict.fromkeys(each.case for each in cells))
    loaders = ", ".join(dict.fromkeys(each.loader for each in cells))
    if len(cases) == 1:
        heading = f"{cell.verdict.upper()} {cell.case} {asked.where(cells)}"
        title = f": {titles.get(cell.case, '')}"
    else:
        heading, title = f"{cell.verdict.upper()} {len(cells)} cells of {asked.names(cases)}", ""
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
    yield Text()


def _quoted(name: str, lines: Sequence[str], width: int | None) -> Iterator[RenderableType]:
    """A name and what was said: beside it when that is one line, else indented under it."""
    said = [printable(line) for line in lines] or ["(nothing)"]
    if len(said) == 1:
        label = f"{_INDENT}{f'{name}:':9}"  # as wide as 'expected:'
        first, *more = columns([(label, said[0])], width)
        yield Text.assemble((label, "bold"), first[len(label) :])
    else:
        yield Text.assemble(_INDENT, (f"{name}:", "bold"))
        more = list(columns([(_INDENT, line) for line in said], width))
    if more:
        yield Text("\n".join(more))


def _afterword(kernel: KernelRun, cells: Sequence[CellResult], width: int | None) -> Iterator[RenderableType]:
    """Why a kernel's run stopped, what it said against itself, and its consoles if all is not as expected."""
    if unknown := unknown_types(kernel, PROG_TYPES):
        names = ", ".join(unknown)
        yield Text(f"Linux {kernel.release}: program types unknown to the harness: {names}", "yellow")
    for splat in kernel.splats:
        yield Text(f"Linux {kernel.release}, outside of cells: {printable(splat)}", "bold red")
    if kernel.stopped:
        missing = sum(cell.verdict is Verdict.NOT_RUN for cell in cells)
        yield Text(
            f"Linux {kernel.release}: {missing} cells not run: {printable(kernel.stopped)}", "bold red"
        )
        if kernel.last_console:
            yield from _quoted("console", console_part(kernel.last_console, _EXCERPT), width)
    if kernel.consoles and any(not cell.ok for cell in cells):
        few = kernel.consoles[:_CONSOLES]
        more = len(kernel.consoles) - len(few)
        yield from _quoted("whole console", [*few, *([f"and {more} more beside it"] if more else [])], width)
        yield Text()


def _summary(result: RunResult) -> Text:
    totals = result.totals
    words = [f"{count} {word}" for word, count in totals.verdicts.items() if count]
    ended = "" if result.run.ended == COMPLETE else f"{result.run.ended}: "
    return Text(
        f"{ended}{totals.planned} cells planned, {totals.run} run, {totals.not_run} not run: "
        f"{totals.ok} as expected, {totals.planned - totals.ok} not ({', '.join(words)}) "
        f"in {result.run.seconds:.1f} s",
        "bold green" if result.status is ExitStatus.AS_EXPECTED else "bold red",
    )
