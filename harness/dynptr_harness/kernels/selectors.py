"""What a person's word for kernels means, of those that there are."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_version import HELPER_SINCE, KernelVersion
from dynptr_harness.kernels.debian.packages import best_of_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.kernels.debian.packages import KernelPackage

ALL, OLDEST, NEWEST = "all", "oldest", "newest"
KEYWORDS = {
    ALL: "the best kernel of every series, oldest first",
    OLDEST: "the best kernel of the oldest series that has the helper",
    NEWEST: "the best kernel of the newest series",
}


@dataclass(frozen=True)
class Match:
    """A kernel, and the series or release that any other must fit to stand in for it."""

    kernel: KernelPackage
    meant: str


def is_set(selector: str) -> bool:
    """Whether a selector means what is best of several: a keyword, or a pattern of the shell."""
    return selector in KEYWORDS or any(character in selector for character in "*?[")


def pick(selector: str, kernels: Sequence[KernelPackage]) -> list[Match]:
    """The kernels that a selector means; where one is served incompletely, no complete one would do.

    A pattern that fits series means the best of each, else every release or package version that it fits.

    Args:
        selector: a keyword, a pattern, a series, a release or the leading part of one.
        kernels: as `available.ranked` has them.
    """
    if not is_set(selector):
        return [Match(each, selector) for each in kernels if each.fits(selector)][:1]
    best = best_of_series(kernels)
    if selector == OLDEST:
        best = _until_complete(
            [each for each in best if KernelVersion(each.release).major_minor >= HELPER_SINCE]
        )
    elif selector == NEWEST:
        best = _until_complete(best[::-1])
    elif selector != ALL:
        best = [each for each in best if fnmatchcase(each.series, selector)]
    if best:
        return [Match(each, each.series) for each in best]
    return [Match(each, each.release) for each in kernels if _like(each, selector)]


def fitting(selector: str, kernels: Sequence[KernelPackage]) -> list[KernelPackage]:
    """All kernels that fit a selector, where `pick` takes the best; one, for 'oldest' and 'newest'."""
    if selector in (OLDEST, NEWEST):
        return [each.kernel for each in pick(selector, kernels)]
    return [each for each in kernels if selector == ALL or each.fits(selector) or _like(each, selector)]


def _like(kernel: KernelPackage, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (kernel.series, kernel.release, kernel.version))


def _until_complete(kernels: Sequence[KernelPackage]) -> list[KernelPackage]:
    """The first kernel that can be had, behind those before it that cannot."""
    complete = [number for number, each in enumerate(kernels, 1) if not each.missing]
    return list(kernels[: complete[0]] if complete else kernels)


def hint(selector: str, kernels: Sequence[KernelPackage]) -> str:
    """'; near: 6.12, …' for a word that means none of these kernels, '' where none is like it."""
    names = [*(each.series for each in best_of_series(kernels)), *(each.release for each in kernels)]
    near = difflib.get_close_matches(selector, [*KEYWORDS, *names], n=4, cutoff=0.5)
    return f"; near: {', '.join(near)}" if near else ""
