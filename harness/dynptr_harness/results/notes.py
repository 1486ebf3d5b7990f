"""Notes on results that are as expected but not `pass`, known defects first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dynptr_harness.conformance.groups import group_of
from dynptr_harness.conformance.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dynptr_harness.conformance.cell import CellResult

_FEW = 3
ORDER = (Verdict.KNOWN_DEFECT, Verdict.EXPECTED_DIFFERENCE, Verdict.NOT_ALLOWED, Verdict.ABSENT)


class Note(NamedTuple):
    """One note: the verdict, the cases, and the text."""

    verdict: Verdict
    cases: str
    text: str


@dataclass(frozen=True)
class CellsByCase:
    """All cells of one kernel, to tell 'in all types' from 'in some'."""

    of_case: Mapping[str, Sequence[CellResult]]

    @classmethod
    def of(cls, cells: Iterable[CellResult]) -> CellsByCase:
        """Group the cells of the kernel by case."""
        of_case: dict[str, list[CellResult]] = {}
        for cell in cells:
            of_case.setdefault(cell.case, []).append(cell)
        return cls(of_case)

    def where(self, cells: Sequence[CellResult]) -> str:
        """Return the types of some cells of one case, and the loader unless all loaders are among them."""
        planned = self.of_case[cells[0].case]
        place = _place(_unique(cell.prog_type for cell in cells), _unique(cell.prog_type for cell in planned))
        loaders = _unique(cell.loader for cell in cells)
        return (
            place if len(loaders) == len({cell.loader for cell in planned}) else f"{place}, by {loaders[0]}"
        )

    def names(self, cases: Sequence[str]) -> str:
        """Return the IDs of the cases, or the name of a group if all its cases are among them."""
        names = []
        for group in _unique(map(group_of, cases)):
            meant = [case for case in cases if group_of(case) == group]
            whole = len(meant) == sum(group_of(case) == group for case in self.of_case)
            names.append(f"{group} ({len(meant)} cases)" if whole and len(meant) > 1 else ", ".join(meant))
        return ", ".join(names)


def notes(cells: Sequence[CellResult], titles: Mapping[str, str]) -> Iterator[Note]:
    """Yield the notes on one kernel.

    Args:
        cells: all cells of the kernel.
        titles: titles of the cases, in the order of the catalogue.
    """
    by_case = CellsByCase.of(cells)
    order = {case: number for number, case in enumerate(titles)}
    for verdict in ORDER:
        found: dict[tuple[str, str], list[CellResult]] = {}
        for cell in sorted(cells, key=lambda cell: order.get(cell.case, len(order))):
            if cell.ok and cell.verdict is verdict:
                found.setdefault((cell.case, cell.reason or cell.seen), []).append(cell)
        if verdict is Verdict.ABSENT:
            yield from _absent(found, by_case)
            continue
        for (case, reason), of_case in found.items():
            types = {cell.prog_type for cell in by_case.of_case[case]}
            somewhere = len(types) > 1 or len(of_case) < len(by_case.of_case[case])
            place = f" ({by_case.where(of_case)})" if somewhere else ""
            yield Note(verdict, case, f"{titles.get(case, '')}{place}: {reason}")


def _absent(found: Mapping[tuple[str, str], Sequence[CellResult]], by_case: CellsByCase) -> Iterator[Note]:
    """Yield a note for all cases that are absent in the same types for the same reason."""
    alike: dict[tuple[str, str], list[str]] = {}
    for (case, reason), of_case in found.items():
        alike.setdefault((by_case.where(of_case), reason), []).append(case)
    for (place, reason), cases in alike.items():
        yield Note(Verdict.ABSENT, by_case.names(cases), f"{place}: {reason}")


def _place(types: Sequence[str], run_types: Sequence[str]) -> str:
    others = [each for each in run_types if each not in types]
    if not others and len(types) > 1:
        return f"in all {len(types)} types"
    if len(others) <= _FEW < len(types):
        return f"in {len(types)} of {len(run_types)} types, not in {', '.join(others)}"
    return f"in {', '.join(types)}"


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
