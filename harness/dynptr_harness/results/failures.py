"""The answers that are not as expected, put together where the same is to be said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import RunResult


def alike(result: RunResult, order: Sequence[str]) -> list[list[CellResult]]:
    """The cells that are not as expected, those together of which the same is to be said.

    That is so for the cells of one case; and where there was no answer, for all that have one reason.
    """
    found: dict[tuple[object, ...], list[CellResult]] = {}
    place = {case: number for number, case in enumerate(order)}
    for cell in sorted(result.cells, key=lambda cell: place.get(cell.case, len(place))):
        if not cell.ok and cell.verdict is not Verdict.NOT_RUN:
            about = None if cell.verdict is Verdict.LOST else (cell.case, cell.expected)
            found.setdefault((cell.kernel, cell.verdict, about, cell.seen, cell.console), []).append(cell)
    return list(found.values())
