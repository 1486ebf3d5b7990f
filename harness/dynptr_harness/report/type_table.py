"""What a result says of each program type, kernel by kernel: loaded, attached, fired, and how many cases."""

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

# The cases that fire a type's example: one for all types and ways to attach them, one a type.
_FIRING = ("ATT-002", "AVL-")
_UNLOADED = frozenset({Verdict.REJECTED, Verdict.NOT_ALLOWED, Verdict.ABSENT})
_RAN = frozenset({Verdict.PASS, Verdict.EXPECTED_DIFFERENCE, Verdict.KNOWN_DEFECT})
_NOT_KNOWN, _NOT_REACHED = "?", "-"


@dataclass(frozen=True)
class TypeRow:
    """One program type on one kernel, or another way to attach it.

    Attributes:
        kernel: the release.
        prog_type: the name.
        listed: whether the helper's documentation lists the type.
        loaded, attached, fired: 'yes', 'no', or the verdict that ended it there; '-' for what was not come
            to, '?' where the result does not say.
        as_expected, cases: cells of the type.
        event: what fires it.
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
    """A row for each type that each kernel was asked about, in the order of `prog_types`."""
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
    """The program types that the kernel knows by its own BTF, and this harness does not: newer than it."""
    known = {prog_type.name for prog_type in prog_types}
    return [
        f"{name} ({number})"
        for name, number in kernel.guest.get("prog_types", {}).items()
        if name not in known
    ]


def as_lines(table: Sequence[TypeRow]) -> Iterator[tuple[str, ...]]:
    """The rows as text, with a heading."""
    yield "program type", "listed", "loaded", "attached", "fired", "as expected"
    for row in table:
        listed = "yes" if row.listed else "no"
        counted = f"{row.as_expected}/{row.cases}"
        yield row.prog_type, listed, row.loaded, row.attached, row.fired, counted


def _stages(cells: Sequence[CellResult]) -> tuple[str, str, str]:
    """How far the type's example came: loaded, attached, fired."""
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
