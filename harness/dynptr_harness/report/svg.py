"""The matrix as an SVG picture: a row for each program type, a column for each kernel; light and dark."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.kernel_version import series_of
from dynptr_harness.core.text import counted, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import RunResult

# Pixels.
_MARGIN = 16
_NAMES = 224
_COLUMN = 72
_ROW = 24
_GAP = 2
_HEAD = 62
_FOOT = 30
_NARROWEST = 560  # for the title and the key
# Marks behind a count for results that are as expected but not `pass`.
_MARKS = {Verdict.KNOWN_DEFECT: "k", Verdict.EXPECTED_DIFFERENCE: "d", Verdict.ABSENT: "a"}


def as_svg(result: RunResult) -> str:
    """Return the picture. Its text is selectable, and it refers to no other file."""
    kernels = result.run.kernels
    types = sorted({_type(cell) for cell in result.cells})
    width = max(2 * _MARGIN + _NAMES + _COLUMN * len(kernels), _NARROWEST)
    height = _HEAD + _ROW * len(types) + _FOOT
    svg = Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", width=str(width),
        height=str(height), role="img",
    )  # fmt: skip
    totals = result.totals
    title = f"bpf_ringbuf_reserve_dynptr: {totals.ok} of {counted(totals.planned, 'cell')} as expected"
    SubElement(svg, "title").text = title
    SubElement(svg, "style").text = _style()
    SubElement(svg, "rect", {"class": "page", "width": "100%", "height": "100%", "rx": "8"})
    _text(svg, _MARGIN, 24, title, "title")
    of_row: dict[tuple[str, str], list[CellResult]] = {}
    for cell in result.cells:
        of_row.setdefault((cell.kernel, _type(cell)), []).append(cell)
    for column, kernel in enumerate(kernels):
        x = _MARGIN + _NAMES + column * _COLUMN
        _text(svg, x + _COLUMN / 2, _HEAD - 8, series_of(kernel.release), "head")
    for row, prog_type in enumerate(types):
        y = _HEAD + row * _ROW
        _text(svg, _MARGIN, y + 16, prog_type, "name")
        for column, kernel in enumerate(kernels):
            if cells := of_row.get((kernel.release, prog_type)):
                _cell(svg, _MARGIN + _NAMES + column * _COLUMN, y, cells)
    key = "count of cells as expected; k = known defect, d = expected difference, a = absent"
    _text(svg, _MARGIN, height - 10, key, "key")
    return tostring(svg, encoding="unicode") + "\n"


def _type(cell: CellResult) -> str:
    """Return the program type. All attach variants share a row, to keep the picture short."""
    return cell.prog_type.partition("/")[0]


def _cell(svg: Element, x: int, y: int, cells: Sequence[CellResult]) -> None:
    kind, text = _summary(cells)
    box = {"x": x + _GAP, "y": y + _GAP, "width": _COLUMN - 2 * _GAP, "height": _ROW - 2 * _GAP, "rx": 3}
    SubElement(svg, "rect", {"class": kind, **{name: str(value) for name, value in box.items()}})
    _text(svg, x + _COLUMN / 2, y + 16, text, f"on-{kind}")


def _summary(cells: Sequence[CellResult]) -> tuple[str, str]:
    """Return the class and the text of a box."""
    good = [cell.verdict for cell in cells if cell.ok]
    if len(good) < len(cells):
        return "wrong", f"{len(good)}/{len(cells)}"
    if set(good) == {Verdict.ABSENT}:
        return "absent", "absent"
    return "pass", " ".join([str(len(good)), *(mark for verdict, mark in _MARKS.items() if verdict in good)])


def _text(svg: Element, x: float, y: float, text: str, kind: str) -> None:
    SubElement(svg, "text", {"x": f"{x:g}", "y": f"{y:g}", "class": kind}).text = printable(text)


def _style() -> str:
    directory = files("dynptr_harness.report").joinpath("html")
    names = ("palette.css", "picture.css")
    return "\n".join(directory.joinpath(name).read_text(encoding="utf-8") for name in names)
