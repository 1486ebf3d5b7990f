"""Comparison of two results, such as a baseline and a run, cell by cell."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus
from dynptr_harness.core.kernel_version import KernelVersion, series_of
from dynptr_harness.results.model import UNANSWERED, RunResult, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import KernelRun, Key

# Parts of kernel messages that differ from boot to boot.
_PASSING = re.compile(r"0x[0-9a-f]+|\b(?:CPU|PID|UID): ?\d+")


class Kind(StrEnum):
    """How a cell changed, in the order of reports."""

    NEW_FAILURE = "new-failure"  # was as expected, and no longer is
    MISSING = "missing"  # only in the old result
    FIXED = "fixed"  # was not as expected, and now is
    CHANGED = "changed"  # still expected or unexpected, with another verdict or another observation
    NEW = "new"  # only in the new result


@dataclass(frozen=True)
class Change:
    """A changed cell in the old and in the new result; None in a result without it."""

    kind: Kind
    before: CellResult | None
    after: CellResult | None

    @property
    def cell(self) -> CellResult:
        """The new cell, or the old one if it is missing."""
        cell = self.after or self.before
        assert cell  # noqa: S101  (a change has one of them)
        return cell

    @property
    def is_regression(self) -> bool:
        """True if the cell was as expected and no longer is, or is missing."""
        return self.kind is Kind.NEW_FAILURE or (
            self.kind is Kind.MISSING and self.before is not None and self.before.ok
        )


class Pair(NamedTuple):
    """The release of a kernel before and after; None in a result without it."""

    before: str | None
    after: str | None


@dataclass(frozen=True)
class Comparison:
    """The comparison of two results.

    Attributes:
        pairs: the compared kernels in the order of `after`, then those that are missing.
        changes: changed cells in the order of `after`, then those that are missing.
        same: number of unchanged cells.
    """

    before: RunResult
    after: RunResult
    pairs: tuple[Pair, ...]
    changes: tuple[Change, ...]
    same: int

    def of(self, kind: Kind) -> list[Change]:
        """Return the changes of one kind."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def regressions(self) -> list[Change]:
        """The changes that are regressions."""
        return [change for change in self.changes if change.is_regression]

    @property
    def run_status(self) -> ExitStatus:
        """The exit status of a run when failures of the baseline are excused.

        Regressions and new unexpected cells count against a kernel. Cells without an answer do not, but they
        are not excused either.
        """
        wrong = [*self.regressions, *self.of(Kind.NEW)]
        if any(change.after is None or _is_wrong(change.after) for change in wrong):
            return ExitStatus.NOT_AS_EXPECTED
        if any(cell.verdict in UNANSWERED for cell in self.after.cells):
            return ExitStatus.ENVIRONMENT_FAILED
        return ExitStatus.AS_EXPECTED


def compare(before: RunResult, after: RunResult) -> Comparison:
    """Compare two results. Kernels are matched by release, otherwise by series."""
    pairs = _pairs(before.run.kernels, after.run.kernels)
    now = {pair.before: pair.after for pair in pairs if pair.before and pair.after}
    was = {_key(cell, now.get(cell.kernel, "")): cell for cell in before.cells}
    gone = dict(was)
    changes = []
    for cell in after.cells:
        earlier = gone.pop(key_of(cell), None)
        kind = _kind(earlier, cell)
        if kind:
            changes.append(Change(kind, earlier, cell))
    same = len(after.cells) - len(changes)
    changes += [Change(Kind.MISSING, cell, None) for cell in gone.values()]
    return Comparison(before, after, tuple(pairs), tuple(changes), same)


def restricted(
    after: RunResult, before: RunResult, selects: Callable[[CellResult], bool] = lambda _cell: True
) -> RunResult:
    """Return `before` without the kernels that `after` lacks, and only with cells that `selects` accepts."""
    pairs = _pairs(before.run.kernels, after.run.kernels)
    releases = {pair.before for pair in pairs if pair.after}
    kernels = tuple(kernel for kernel in before.run.kernels if kernel.release in releases)
    cells = tuple(cell for cell in before.cells if cell.kernel in releases and selects(cell))
    return RunResult(replace(before.run, kernels=kernels), cells, len(cells))


def _key(cell: CellResult, kernel: str) -> Key:
    return kernel or cell.kernel, cell.prog_type, cell.case, cell.loader


def _pairs(before: Sequence[KernelRun], after: Sequence[KernelRun]) -> list[Pair]:
    """Match kernels of the same release, then the newest of each series and architecture."""
    left = {kernel.release: kernel for kernel in before}
    found = {kernel.release: kernel.release for kernel in after if left.pop(kernel.release, None)}
    for kernel in _newest_first(each for each in after if each.release not in found):
        for other in _newest_first(left.values()):
            if (series_of(other.release), other.arch) == (series_of(kernel.release), kernel.arch):
                found[kernel.release] = left.pop(other.release).release
                break
    pairs = [Pair(found.get(kernel.release), kernel.release) for kernel in after]
    return pairs + [Pair(release, None) for release in left]


def _newest_first(kernels: Iterable[KernelRun]) -> list[KernelRun]:
    return sorted(kernels, key=lambda kernel: KernelVersion(kernel.release), reverse=True)


def _kind(before: CellResult | None, after: CellResult) -> Kind | None:
    """Return how a cell changed, or None.

    The observation of a passed cell follows from its case. If it differs, the case was changed, not the
    kernel.
    """
    if not before:
        return Kind.NEW
    if before.ok != after.ok:
        return Kind.FIXED if after.ok else Kind.NEW_FAILURE
    if before.verdict is not after.verdict:
        return Kind.CHANGED
    if after.verdict is not Verdict.PASS and _without_volatile_parts(before.seen) != _without_volatile_parts(
        after.seen
    ):
        return Kind.CHANGED
    return None


def _without_volatile_parts(seen: str) -> str:
    return _PASSING.sub("*", seen)


def _is_wrong(cell: CellResult) -> bool:
    return not cell.ok and cell.verdict not in UNANSWERED
