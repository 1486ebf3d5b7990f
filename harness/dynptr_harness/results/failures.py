"""Groups of unexpected results that a report shows together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import RunResult


def unexpected_groups(result: RunResult, order: Sequence[str]) -> list[list[CellResult]]:
    """Return the unexpected cells, grouped by result, without cells that were not run.

    A group has cells of one case, or cells without an answer for one reason.

    Args:
        order: IDs of the cases, in the order of the catalogue.
    """
    found: dict[tuple[object, ...], list[CellResult]] = {}
    place = {case: number for number, case in enumerate(order)}
    for cell in sorted(result.cells, key=lambda cell: place.get(cell.case, len(place))):
        if not cell.ok and cell.verdict is not Verdict.NOT_RUN:
            about = None if cell.verdict is Verdict.LOST else (cell.case, cell.expected)
            found.setdefault((cell.kernel, cell.verdict, about, cell.seen, cell.console), []).append(cell)
    return list(found.values())
