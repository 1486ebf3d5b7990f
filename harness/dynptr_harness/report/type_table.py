"""The output of `types --result`: load, attach and firing of each program type on each kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance.judge import ATTACHED, NOT_TO_BE_HAD
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.results.model import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.prog_types import ProgType
    from dynptr_harness.results.model import KernelRun, RunResult

# Cases that fire the example of a type: one for all types and attach variants, and one for each type.
_FIRING = ("ATT-002", "AVL-")
_UNLOADED = frozenset({Verdict.REJECTED, Verdict.NOT_ALLOWED, Verdict.ABSENT})
_RAN = frozenset({Verdict.PASS, Verdict.EXPECTED_DIFFERENCE, Verdict.KNOWN_DEFECT})
_NOT_KNOWN, _NOT_REACHED = "?", "-"


@dataclass(frozen=True)
class TypeRow:
    """One program type, or another attach variant of it, on one kernel.

    Attributes:
        kernel: the release.
        prog_type: the name.
        listed: True if the helper's documentation lists the type.
        loaded, attached, fired: 'yes', 'no', or the verdict of a failure; '-' if not reached, '?' if unknown.
        as_expected, cases: number of expected cells, and of all cells.
        event: the event that fires it.
    """

    kernel: str
    prog_type: str
    listed: bool
    loaded: str
    attached: str
    fired: str
    as_expected: int
    cases: int
    event: str


def rows(result: RunResult, prog_types: Sequence[ProgType]) -> Iterator[TypeRow]:
    """Yield a row for each type that was run on each kernel, in the order of `prog_types`."""
    for kernel in result.run.kernels:
        cells = result.cells_of(kernel)
        for prog_type in prog_types:
            of_type = [cell for cell in cells if cell.prog_type == prog_type.name]
            if of_type:
                yield TypeRow(
                    kernel.release,
                    prog_type.name,
                    prog_type.is_listed,
                    *_stages(of_type),
                    sum(cell.ok for cell in of_type),
                    len(of_type),
                    prog_type.event,
                )


def unknown_types(kernel: KernelRun, prog_types: Sequence[ProgType]) -> list[str]:
    """Return the program types in the BTF of the kernel that the harness does not know."""
    known = {prog_type.name for prog_type in prog_types}
    return [
        f"{name} ({number})"
        for name, number in kernel.guest.get("prog_types", {}).items()
        if name not in known
    ]


def as_lines(table: Sequence[TypeRow]) -> Iterator[tuple[str, ...]]:
    """Yield a heading and the rows as text."""
    yield "program type", "listed", "loaded", "attached", "fired", "ok"
    for row in table:
        listed = "yes" if row.listed else "no"
        ok = f"{row.as_expected}/{row.cases}"
        yield row.prog_type, listed, row.loaded, row.attached, row.fired, ok


def _stages(cells: Sequence[CellResult]) -> tuple[str, str, str]:
    """Return (loaded, attached, fired) of the type's example."""
    cell = next((cell for cell in cells if cell.case.startswith(_FIRING)), None)
    if not cell or cell.verdict in UNANSWERED | {Verdict.HANG, Verdict.CRASH}:
        return _NOT_KNOWN, _NOT_KNOWN, _NOT_KNOWN
    if (cell.reason or "").startswith(NOT_TO_BE_HAD):
        return "yes", cell.verdict.value, _NOT_REACHED
    if cell.verdict in _UNLOADED:
        return cell.verdict.value, _NOT_REACHED, _NOT_REACHED
    if cell.expected == ATTACHED:
        return "yes", "no", _NOT_REACHED
    if cell.verdict is Verdict.NOT_FIRED:
        return "yes", "yes", "no"
    return "yes", "yes", "yes" if cell.verdict in _RAN else cell.verdict.value
