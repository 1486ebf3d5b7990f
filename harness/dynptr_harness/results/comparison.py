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
    UNANSWERED = "unanswered"  # had an answer, and now is lost or was not run
    MISSING = "missing"  # only in the old result
    FIXED = "fixed"  # was not as expected, and now is
    CHANGED = "changed"  # still expected or unexpected, with another verdict or another observation
    NEW = "new"  # had no answer in the old result


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
        """True if the cell was as expected and now has an answer that is not."""
        return self.kind is Kind.NEW_FAILURE

    @property
    def is_lost_coverage(self) -> bool:
        """True if the cell had an answer and now has none. This says nothing about the kernel."""
        return self.kind is Kind.UNANSWERED or (self.kind is Kind.MISSING and _is_answered(self.before))


class Pair(NamedTuple):
    """The release of a kernel before and after; None in a result without it."""

    before: str | None
    after: str | None

    @property
    def is_of_one_series(self) -> bool:
        """True if both results have the kernel, in releases of one series."""
        return bool(self.before and self.after) and series_of(self.before or "") == series_of(
            self.after or ""
        )


@dataclass(frozen=True)
class Comparison:
    """The comparison of two results.

    Attributes:
        pairs: the compared kernels in the order of `after`, then those that are missing.
        changes: changed cells in the order of `after`, then those that are missing.
        same: number of unchanged cells.
        ignored: number of cells of the old result that were left out on request.
    """

    before: RunResult
    after: RunResult
    pairs: tuple[Pair, ...]
    changes: tuple[Change, ...]
    same: int
    ignored: int = 0

    def of(self, kind: Kind) -> list[Change]:
        """Return the changes of one kind."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def regressions(self) -> list[Change]:
        """The changes that are regressions."""
        return [change for change in self.changes if change.is_regression]

    @property
    def lost_coverage(self) -> list[Change]:
        """The changes that are lost coverage."""
        return [change for change in self.changes if change.is_lost_coverage]

    @property
    def status(self) -> ExitStatus:
        """The exit status of `diff`: a regression, only lost coverage, or neither."""
        if self.regressions:
            return ExitStatus.NOT_AS_EXPECTED
        return ExitStatus.ENVIRONMENT_FAILED if self.lost_coverage else ExitStatus.AS_EXPECTED

    @property
    def run_status(self) -> ExitStatus:
        """The exit status of a run when failures of the baseline are excused.

        Regressions and new unexpected cells count against a kernel. Lost coverage and cells without an
        answer do not, but they are not excused either.
        """
        wrong = [*self.regressions, *self.of(Kind.NEW)]
        if any(change.after and _is_wrong(change.after) for change in wrong):
            return ExitStatus.NOT_AS_EXPECTED
        if self.lost_coverage or any(cell.verdict in UNANSWERED for cell in self.after.cells):
            return ExitStatus.ENVIRONMENT_FAILED
        return ExitStatus.AS_EXPECTED


def compare(
    before: RunResult, after: RunResult, *, partial: bool = False, across: bool = False
) -> Comparison:
    """Compare two results. Kernels are matched by release, otherwise by series.

    Args:
        partial: ignore the kernels and cells that `after` did not plan.
        across: match also kernels of different series if each result has one kernel.
    """
    pairs = _pairs(before.run.kernels, after.run.kernels, across=across)
    if partial:
        pairs = [pair for pair in pairs if pair.after]
    now = {pair.before: pair.after for pair in pairs if pair.before and pair.after}
    gone = {_key(cell, now.get(cell.kernel, "")): cell for cell in before.cells}
    changes = []
    for cell in after.cells:
        earlier = gone.pop(key_of(cell), None)
        kind = _kind(earlier, cell)
        if kind:
            changes.append(Change(kind, earlier, cell))
    same = len(after.cells) - len(changes)
    if not partial:
        changes += [Change(Kind.MISSING, cell, None) for cell in gone.values()]
    return Comparison(before, after, tuple(pairs), tuple(changes), same, len(gone) if partial else 0)


def restricted(
    after: RunResult, before: RunResult, selects: Callable[[CellResult], bool] = lambda _cell: True
) -> RunResult:
    """Return `before` without the kernels that `after` lacks, and only with cells that `selects` accepts."""
    pairs = _pairs(before.run.kernels, after.run.kernels)
    releases = {pair.before for pair in pairs if pair.after}
    kernels = tuple(kernel for kernel in before.run.kernels if kernel.release in releases)
    cells = tuple(cell for cell in before.cells if cell.kernel in releases and selects(cell))
    return replace(before, run=replace(before.run, kernels=kernels), cells=cells, planned=len(cells))


def _key(cell: CellResult, kernel: str) -> Key:
    return kernel or cell.kernel, cell.prog_type, cell.case, cell.loader


def _pairs(before: Sequence[KernelRun], after: Sequence[KernelRun], *, across: bool = False) -> list[Pair]:
    """Match kernels of the same release, then the newest of each series and architecture.

    Args:
        across: match the only kernels of both, if they have one architecture.
    """
    if across and len(before) == len(after) == 1 and before[0].arch == after[0].arch:
        return [Pair(before[0].release, after[0].release)]
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
    if not before or not _is_answered(before):
        return None if before and not _is_answered(after) else Kind.NEW
    if not _is_answered(after):
        return Kind.UNANSWERED
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


def _is_answered(cell: CellResult | None) -> bool:
    return cell is not None and cell.verdict not in UNANSWERED


def _is_wrong(cell: CellResult) -> bool:
    return not cell.ok and cell.verdict not in UNANSWERED
