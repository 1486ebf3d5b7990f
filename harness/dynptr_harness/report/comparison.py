"""A comparison of two results on a terminal, as JSON, and as Markdown. Equal changes share a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from dynptr_harness.core.text import columns, counted, excerpt, printable
from dynptr_harness.report.markup import code, details, plain, table
from dynptr_harness.results.comparison import Kind
from dynptr_harness.results.notes import CellsByCase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.comparison import Change, Comparison
    from dynptr_harness.results.model import RunResult

_HEADINGS = {
    Kind.NEW_FAILURE: ("New failures", "bold red"),
    Kind.MISSING: ("Missing", "bold red"),
    Kind.FIXED: ("Fixed", "bold green"),
    Kind.CHANGED: ("Changed", "bold yellow"),
    Kind.NEW: ("New cells", "bold"),
}
_COUNTED = {
    Kind.NEW_FAILURE: "newly failing",
    Kind.MISSING: "missing",
    Kind.FIXED: "fixed",
    Kind.CHANGED: "changed",
    Kind.NEW: "new",
}
_SHOWN = 50  # lines of each kind; the JSON has all
_LONGEST = 400  # characters of an expected and a seen result
_INDENT = "  "


class Line(NamedTuple):
    """Cells of one kernel that changed in the same way.

    Attributes:
        place: the program types.
        became: the old and the new verdict.
        cells: number of cells.
    """

    kernel: str
    cases: str
    place: str
    became: str
    cells: int
    example: Change


@dataclass(frozen=True)
class ComparisonReport:
    """The comparison, printable with rich."""

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the parts for rich to print."""
        width = None if options.no_wrap else options.max_width
        rows = [(printable(line),) for line in headings(self.comparison)]
        yield Text("\n".join(columns(rows, width)), "bold")
        for kind, (heading, style) in _HEADINGS.items():
            lines = list(lines_of(self.comparison, kind))
            if lines:
                yield Text(f"\n{heading} ({_cells(lines)})", style)
            for line in lines[:_SHOWN]:
                yield from _line(line, width)
            if len(lines) > _SHOWN:
                yield Text(f"{_INDENT}... and {_cells(lines[_SHOWN:], 'more cell')}; --json writes all")
        end = "\n".join(columns([(summary(self.comparison),)], width))
        yield Text(f"\n{end}", "bold red" if self.comparison.regressions else "bold green")


def headings(comparison: Comparison) -> Iterator[str]:
    """Yield the two runs, and the kernels whose release changed or that only one run has."""
    yield f"before: {_origin(comparison.before)}"
    yield f"after:  {_origin(comparison.after)}"
    for before, after in comparison.pairs:
        if before and after:
            if before != after:
                yield f"Linux {before} became {after}"
            continue
        result, word = (comparison.after, "new") if after else (comparison.before, "missing")
        cells = [cell for cell in result.cells if cell.kernel in {before, after}]
        wrong = sum(not cell.ok for cell in cells)
        yield f"Linux {before or after} is {word}: {counted(len(cells), 'cell')}, {wrong} not as expected"


def summary(comparison: Comparison) -> str:
    """Return the number of changes of each kind, in one line."""
    counts = [f"{len(comparison.of(kind))} {words}" for kind, words in _COUNTED.items()]
    end = counted(len(comparison.regressions), "regression") if comparison.regressions else "no regression"
    return f"{', '.join(counts)}, {comparison.same} the same: {end}"


def lines_of(comparison: Comparison, kind: Kind) -> Iterator[Line]:
    """Yield the changes of one kind. Equal changes of a case, and cases with equal changes, share a line.

    A kernel that only one result has contributes only its new unexpected cells.
    """
    result = comparison.before if kind is Kind.MISSING else comparison.after
    whole = {before or after for before, after in comparison.pairs if not (before and after)}
    by_case = {kernel.release: CellsByCase.of(result.cells_of(kernel)) for kernel in result.run.kernels}
    of_case: dict[tuple[str, str, str, str], list[Change]] = {}
    for change in comparison.of(kind):
        if change.cell.kernel in whole and (change.after is None or change.after.ok):
            continue
        seen = "" if kind in {Kind.MISSING, Kind.NEW} else change.cell.seen
        of_case.setdefault((change.cell.kernel, change.cell.case, _verdict_change(change), seen), []).append(
            change
        )
    alike: dict[tuple[str, str, str, str], list[tuple[str, list[Change]]]] = {}
    for (kernel, case, became, seen), changes in of_case.items():
        place = by_case[kernel].where([change.cell for change in changes])
        alike.setdefault((kernel, place, became, seen), []).append((case, changes))
    for (kernel, place, became, _seen), cases in alike.items():
        names = by_case[kernel].names([case for case, _changes in cases])
        total = sum(len(changes) for _case, changes in cases)
        yield Line(kernel, names, place, became, total, cases[0][1][0])


def as_document(comparison: Comparison) -> dict[str, Any]:
    """Return the document of `diff --json`, with every changed cell."""
    return {
        "regression": bool(comparison.regressions),
        "counts": {**{kind.value: len(comparison.of(kind)) for kind in Kind}, "same": comparison.same},
        "kernels": [pair._asdict() for pair in comparison.pairs],
        "changes": [
            {
                "kind": change.kind.value,
                "regression": change.is_regression,
                "kernel": change.cell.kernel,
                "prog_type": change.cell.prog_type,
                "case": change.cell.case,
                "loader": change.cell.loader,
                "before": _answer(change.before),
                "after": _answer(change.after),
            }
            for change in comparison.changes
        ],
    }


def as_markdown(comparison: Comparison) -> str:
    """Return the comparison for a job summary or a comment: regressions unfolded, other changes folded."""
    sign = "❌" if comparison.regressions else "✅"
    parts = [f"### {sign} Compared with the baseline: {summary(comparison)}"]
    parts.append("\n".join(f"- {printable(line)}" for line in headings(comparison)))
    for kind, (heading, _style) in _HEADINGS.items():
        lines = list(lines_of(comparison, kind))
        if not lines:
            continue
        rows = [
            [*map(plain, (line.cases, line.place, line.kernel, line.became)), code(_shown(line))]
            for line in lines[:_SHOWN]
        ]
        body = table(["case", "where", "kernel", "was -> is", "seen"], rows)
        if len(lines) > _SHOWN:
            body += f"\n\nand {_cells(lines[_SHOWN:], 'more cell')}"
        title = f"{heading} ({_cells(lines)})"
        is_open = kind in {Kind.NEW_FAILURE, Kind.MISSING}
        parts.append(f"#### {title}\n\n{body}" if is_open else details(title, body))
    return "\n\n".join(parts) + "\n"


def _line(line: Line, width: int | None) -> Iterator[RenderableType]:
    text = f"{line.cases} {line.place}: {line.became} ({line.kernel})"
    yield Text("\n".join(columns([("", text)], width)))
    after = line.example.after
    if after and not after.ok:
        for label, text in (("expected:", after.expected), ("seen:", after.seen)):
            rows = [(f"{_INDENT * 2}{label:9}", excerpt(text, _LONGEST))]
            yield Text("\n".join(columns(rows, width)))


def _shown(line: Line) -> str:
    return "" if line.example.after is None else line.example.after.seen


def _verdict_change(change: Change) -> str:
    before, after = (_word(cell) for cell in (change.before, change.after))
    if change.before is None or change.after is None:
        return after if change.before is None else f"was {before}"
    return f"{before} -> {after}" if before != after else f"{after}, with another result"


def _word(cell: CellResult | None) -> str:
    """Return the verdict, in capitals if it is not the expected one."""
    return "" if cell is None else cell.verdict.value if cell.ok else cell.verdict.upper()


def _answer(cell: CellResult | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    return {"verdict": cell.verdict.value, "ok": cell.ok, "expected": cell.expected, "seen": cell.seen}


def _cells(lines: Sequence[Line], noun: str = "cell") -> str:
    return counted(sum(line.cells for line in lines), noun)


def _origin(result: RunResult) -> str:
    kernels = counted(len(result.run.kernels), "kernel")
    return (
        f"{kernels}, {counted(len(result.cells), 'cell')}, {result.run.started}, "
        f"dynptr-harness {result.run.harness}, QEMU {result.run.qemu}"
    )
