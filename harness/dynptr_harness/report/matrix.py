"""The matrix on a terminal: one row for each program type, one column for each case or group of cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from rich.table import Table
from rich.text import Text

from dynptr_harness.conformance.groups import GROUPS, group_of
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.text import counted, printable
from dynptr_harness.results.model import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from dynptr_harness.conformance.cell import CellResult

# Words for verdicts that are too long for a column.
_SHORT = {
    Verdict.EXPECTED_DIFFERENCE: "differs",
    Verdict.KNOWN_DEFECT: "known",
    Verdict.REJECTED: "reject",
    Verdict.NOT_ALLOWED: "denied",
    Verdict.NOT_FIRED: "unfired",
    Verdict.NOT_RUN: "-",
}
# The same for the narrowest columns.
_SIGNS = {
    Verdict.PASS: "ok",
    Verdict.EXPECTED_DIFFERENCE: "ed",
    Verdict.KNOWN_DEFECT: "kd",
    Verdict.ABSENT: "ab",
    Verdict.NOT_ALLOWED: "na",
    Verdict.NOT_RUN: "-",
}
_WRONG = "NO"
# Marks behind a count for results that are as expected but not `pass`, in this order.
_MARKS = {
    Verdict.KNOWN_DEFECT: "k",
    Verdict.EXPECTED_DIFFERENCE: "d",
    Verdict.ABSENT: "a",
    Verdict.NOT_ALLOWED: "n",
}
_INAPPLICABLE = "."
_FIRST, _LAST = "program type", "time"


class CaseHead(Protocol):
    """The part of a case that headings and the legend show."""

    @property
    def id(self) -> str:
        """The stable ID, e.g. 'RSV-011'."""

    @property
    def title(self) -> str:
        """The requirement, in one line."""


Row = list["CellResult"]  # the cells of one program type on one kernel


@dataclass(frozen=True)
class _Column:
    heading: str
    cases: frozenset[str]
    meaning: str


@dataclass(frozen=True)
class _Layout:
    """One way to show the cases.

    Attributes:
        columns: from left to right.
        write: returns the text for the results of one program type in one column.
        gap: number of spaces between columns.
        signs: abbreviations of verdicts.
        key: explanation of the other signs.
    """

    columns: tuple[_Column, ...]
    write: Callable[[Row], Text]
    signs: Mapping[Verdict, str]
    key: str
    gap: int = 2

    def entry(self, row: Row, column: _Column) -> Text:
        there = [cell for cell in row if cell.case in column.cases]
        return self.write(there) if there else Text(_INAPPLICABLE, "dim")

    def width(self, column: _Column, rows: Sequence[Row]) -> int:
        return max(len(column.heading), *(self.entry(row, column).cell_len for row in rows)) + self.gap

    def fits(self, rows: Sequence[Row], room: int) -> bool:
        """Return True if all columns fit side by side. Cells are measured only if the headings fit."""
        headings = sum(len(column.heading) + self.gap for column in self.columns)
        return headings <= room and sum(self.width(column, rows) for column in self.columns) <= room

    def bands(self, rows: Sequence[Row], room: int) -> list[list[_Column]]:
        """Return the columns, divided into tables that fit."""
        bands: list[list[_Column]] = []
        left = 0
        for column in self.columns:
            width = self.width(column, rows)
            if width > left:
                bands.append([])
                left = room
            bands[-1].append(column)
            left -= width
        return bands

    def table(self) -> Table:
        return Table(box=None, padding=(0, self.gap, 0, 0), pad_edge=False)


class Matrix:
    """All cells of a run laid out for one width. The tables of all kernels have the same columns.

    A case with several loaders appears once, with the worst of its verdicts.

    Args:
        cells: of all kernels; at least one.
        cases: cases of the catalogue, in order; those without a cell are left out.
        width: of the terminal, in characters.
    """

    def __init__(self, cells: Sequence[CellResult], cases: Sequence[CaseHead], width: int) -> None:
        self._cells = _merged(cells)
        used = {cell.case for cell in cells}
        rows = _rows(self._cells)
        first = max(len(_FIRST), *(len(prog_type) for _kernel, prog_type in rows))
        last = max(len(_LAST), *(len(_time(row)) for row in rows.values()))
        self._layout, self._bands = _fit(
            list(rows.values()), [case for case in cases if case.id in used], width - first - 2 - last
        )

    def of_kernel(self, release: str) -> Iterator[RenderableType]:
        """Yield the table of one kernel, or several if the columns do not fit side by side.

        Each of several tables omits the program types to which none of its columns applies.
        """
        rows = _rows([cell for cell in self._cells if cell.kernel == release])
        for band in self._bands:
            table = self._layout.table()
            table.add_column(_FIRST, no_wrap=True)
            for column in band:
                table.add_column(column.heading, no_wrap=True)
            table.add_column(_LAST, justify="right", no_wrap=True)
            shown = frozenset().union(*(column.cases for column in band))
            for (_kernel, prog_type), row in rows.items():
                if len(self._bands) > 1 and shown.isdisjoint(cell.case for cell in row):
                    continue
                table.add_row(prog_type, *(self._layout.entry(row, column) for column in band), _time(row))
            yield table

    def legend(self) -> list[tuple[str, str]]:
        """Return the heading and the meaning of each column."""
        return [(column.heading, column.meaning) for column in self._layout.columns]

    def key(self) -> str:
        """Return the meaning of the abbreviations and signs in the columns."""
        shown = dict.fromkeys(cell.verdict for cell in self._cells)
        explained = [
            f"{sign} = {verdict}" for verdict, sign in self._layout.signs.items() if verdict in shown
        ]
        partly = any(
            not column.cases & {cell.case for cell in row}
            for row in _rows(self._cells).values()
            for column in self._layout.columns
        )
        inapplicable = [f"{_INAPPLICABLE} = does not apply"] if partly else []
        return "; ".join([*explained, self._layout.key, *inapplicable])


def _merged(cells: Sequence[CellResult]) -> list[CellResult]:
    """Merge the cells of all loaders of a case: the worst one, with the total time."""
    merged: dict[tuple[str, str, str], CellResult] = {}
    for cell in cells:
        key = (cell.kernel, cell.prog_type, cell.case)
        other = merged.get(key)
        merged[key] = (
            replace(max(other, cell, key=_badness), seconds=other.seconds + cell.seconds) if other else cell
        )
    return list(merged.values())


def _badness(cell: CellResult) -> tuple[bool, bool, int]:
    """Return a sort key: failures are worse than missing answers, and both worse than expected results."""
    as_expected = [Verdict.PASS, *reversed(_MARKS)]
    rank = as_expected.index(cell.verdict) if cell.verdict in as_expected else len(as_expected)
    return (not cell.ok, cell.verdict not in UNANSWERED, rank)


def _rows(cells: Sequence[CellResult]) -> Mapping[tuple[str, str], Row]:
    rows: dict[tuple[str, str], Row] = {}
    for cell in cells:
        rows.setdefault((cell.kernel, cell.prog_type), []).append(cell)
    return rows


def _fit(rows: Sequence[Row], heads: Sequence[CaseHead], room: int) -> tuple[_Layout, list[list[_Column]]]:
    """Return the most detailed layout that fits in `room`, and the columns of each table."""
    titles = [printable(head.title) for head in heads]
    ids = [frozenset({head.id}) for head in heads]
    named = tuple(map(_Column, (head.id for head in heads), ids, titles))
    numbered = tuple(
        _Column(str(number), frozenset({head.id}), f"{head.id}  {title}")
        for number, (head, title) in enumerate(zip(heads, titles, strict=True), 1)
    )
    capitals = "CAPITALS = not as expected"
    for layout in (
        _Layout(named, _timed_words, _SHORT, capitals),
        _Layout(named, _words, _SHORT, capitals),
        _Layout(numbered, _words, _SHORT, capitals, gap=1),
        _Layout(numbered, _marks, _SIGNS, f"{_WRONG} = not as expected", gap=1),
        wide := _Layout(_groups(heads), _counts, _MARKS, "3/4 = three of four cases as expected"),
        replace(wide, gap=1),
    ):
        if layout.fits(rows, room):
            return layout, [list(layout.columns)]
    return wide, wide.bands(rows, room)


def _groups(heads: Sequence[CaseHead]) -> tuple[_Column, ...]:
    groups: dict[str, list[str]] = {}
    for head in heads:
        groups.setdefault(group_of(head.id), []).append(head.id)
    return tuple(
        _Column(group, frozenset(ids), f"{counted(len(ids), 'case')}: {GROUPS.get(group, group)}")
        for group, ids in groups.items()
    )


def _time(row: Row) -> str:
    return f"{sum(cell.seconds for cell in row):.1f} s"


def _style(verdicts: Collection[Verdict]) -> str:
    """Return the style of expected results: not green if they show a defect or an absence."""
    return "yellow" if {Verdict.KNOWN_DEFECT, Verdict.ABSENT} & set(verdicts) else "green"


def _word(cell: CellResult) -> Text:
    short = _SHORT.get(cell.verdict, cell.verdict.value)
    return Text.assemble((short, _style([cell.verdict])) if cell.ok else (short.upper(), "bold red"))


def _words(cells: Row) -> Text:
    return Text(" ").join(_word(cell) for cell in cells)


def _timed_words(cells: Row) -> Text:
    return Text(" ").join(
        _word(cell) if cell.verdict is Verdict.NOT_RUN else _word(cell).append(f" {cell.seconds:.2f}", "dim")
        for cell in cells
    )


def _marks(cells: Row) -> Text:
    (cell,) = cells
    if cell.ok or cell.verdict is Verdict.NOT_RUN:
        return Text(_SIGNS[cell.verdict], _style([cell.verdict]) if cell.ok else "bold red")
    return Text(_WRONG, "bold red")


def _counts(cells: Row) -> Text:
    good = [cell.verdict for cell in cells if cell.ok]
    if set(good) == {Verdict.ABSENT} and len(good) == len(cells):
        return Text(Verdict.ABSENT, _style(good))
    marks = "".join(mark for verdict, mark in _MARKS.items() if verdict in good)
    return Text(f"{len(good)}/{len(cells)}{marks}", _style(good) if len(good) == len(cells) else "bold red")
