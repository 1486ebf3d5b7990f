"""What changed from one result, such as a baseline, to another: cell by cell, the same kernel or series."""

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

# What a kernel says of itself differs from boot to boot in addresses, and in who ran on which processor.
_PASSING = re.compile(r"0x[0-9a-f]+|\b(?:CPU|PID|UID): ?\d+")


class Kind(StrEnum):
    """How a cell changed; the order is that of a report."""

    NEW_FAILURE = "new-failure"  # was as expected, and no longer is
    MISSING = "missing"  # is not there any more
    FIXED = "fixed"  # was not as expected, and now is
    CHANGED = "changed"  # as good as before, but of another verdict; or no pass, and something else was seen
    NEW = "new"  # was not there before


@dataclass(frozen=True)
class Change:
    """A cell that is not what it was; it is None where it was not, or is no more."""

    kind: Kind
    before: CellResult | None
    after: CellResult | None

    @property
    def cell(self) -> CellResult:
        """The cell as it is, or as it was last."""
        cell = self.after or self.before
        assert cell  # noqa: S101  (a change has one of them)
        return cell

    @property
    def is_regression(self) -> bool:
        """The cell was as expected and no longer is, or is missing."""
        return self.kind is Kind.NEW_FAILURE or (
            self.kind is Kind.MISSING and self.before is not None and self.before.ok
        )


class Pair(NamedTuple):
    """A kernel's release before and after; None where there is no such kernel."""

    before: str | None
    after: str | None


@dataclass(frozen=True)
class Comparison:
    """Everything that changed.

    Attributes:
        before, after: the two results.
        pairs: which kernel became which, in the order of `after`, then those that are gone.
        changes: in the order of `after`, then those that are missing.
        same: how many cells did not change.
    """

    before: RunResult
    after: RunResult
    pairs: tuple[Pair, ...]
    changes: tuple[Change, ...]
    same: int

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def regressions(self) -> list[Change]:
        """What was as expected and no longer is, or is missing."""
        return [change for change in self.changes if change.is_regression]

    @property
    def run_status(self) -> ExitStatus:
        """What `after` says of its kernels when failures are excused that were known before.

        A regression, or a new cell that is not as expected, speaks against a kernel; but a cell without an
        answer does not, and is not excused either.
        """
        wrong = [*self.regressions, *self.of(Kind.NEW)]
        if any(change.after is None or _is_wrong(change.after) for change in wrong):
            return ExitStatus.NOT_AS_EXPECTED
        if any(cell.verdict in UNANSWERED for cell in self.after.cells):
            return ExitStatus.ENVIRONMENT_FAILED
        return ExitStatus.AS_EXPECTED


def compare(before: RunResult, after: RunResult) -> Comparison:
    """What changed; a kernel is compared with the one of its release, else with one of its series."""
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


def only_asked(
    after: RunResult, before: RunResult, asked: Callable[[CellResult], bool] = lambda _cell: True
) -> RunResult:
    """`before` without the kernels that `after` says nothing of, and without cells that were not `asked`."""
    pairs = _pairs(before.run.kernels, after.run.kernels)
    releases = {pair.before for pair in pairs if pair.after}
    kernels = tuple(kernel for kernel in before.run.kernels if kernel.release in releases)
    cells = tuple(cell for cell in before.cells if cell.kernel in releases and asked(cell))
    return RunResult(replace(before.run, kernels=kernels), cells, len(cells))


def _key(cell: CellResult, kernel: str) -> Key:
    return kernel or cell.kernel, cell.prog_type, cell.case, cell.loader


def _pairs(before: Sequence[KernelRun], after: Sequence[KernelRun]) -> list[Pair]:
    """Those of the same release first; of those left in a series the newest becomes the newest."""
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
    """How a cell changed, or None.

    What a pass shows is what its case asks for, so it says nothing more of the kernel that it is another
    than before: the case was changed.
    """
    if not before:
        return Kind.NEW
    if before.ok != after.ok:
        return Kind.FIXED if after.ok else Kind.NEW_FAILURE
    if before.verdict is not after.verdict:
        return Kind.CHANGED
    if after.verdict is not Verdict.PASS and _lasting(before.seen) != _lasting(after.seen):
        return Kind.CHANGED
    return None


def _lasting(seen: str) -> str:
    return _PASSING.sub("*", seen)


def _is_wrong(cell: CellResult) -> bool:
    return not cell.ok and cell.verdict not in UNANSWERED
