"""The kernels that a selector matches."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_version import HELPER_SINCE, KernelVersion
from dynptr_harness.kernels.debian.packages import best_of_series
from dynptr_harness.kernels.selectors import ALL, KEYWORDS, NEWEST, OLDEST, is_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.kernels.debian.packages import KernelPackage


@dataclass(frozen=True)
class Match:
    """A kernel that a selector matches.

    Attributes:
        kernel: the kernel.
        meant: series or release that any substitute for the kernel must match.
    """

    kernel: KernelPackage
    meant: str


def pick(selector: str, kernels: Sequence[KernelPackage]) -> list[Match]:
    """Return the best kernels that a selector matches.

    A pattern that matches series selects the best kernel of each. Otherwise it selects every release and
    package version that it matches. The result includes an incomplete kernel if no complete kernel of its
    series can replace it.

    Args:
        selector: a keyword, a pattern, a series, a release or the leading part of one.
        kernels: in the order of `packages.ranked`.
    """
    if not is_set(selector):
        return [Match(each, selector) for each in kernels if each.fits(selector)][:1]
    best = best_of_series(kernels)
    if selector == OLDEST:
        best = _until_complete([each for each in best if _has_helper(each)])
    elif selector == NEWEST:
        best = _until_complete(best[::-1])
    elif selector != ALL:
        best = [each for each in best if fnmatchcase(each.series, selector)]
    if best:
        return [Match(each, each.series) for each in best]
    return [Match(each, each.release) for each in kernels if _like(each, selector)]


def fitting(selector: str, kernels: Sequence[KernelPackage]) -> list[KernelPackage]:
    """Return all kernels that a selector matches, not only the best. 'oldest' and 'newest' match one."""
    if selector in (OLDEST, NEWEST):
        return [each.kernel for each in pick(selector, kernels)]
    return [each for each in kernels if selector == ALL or each.fits(selector) or _like(each, selector)]


def similar(selector: str, kernels: Sequence[KernelPackage]) -> str:
    """Return '; near: 6.12, …' with similar selectors that match a kernel, or '' if there are none."""
    names = [*(each.series for each in best_of_series(kernels)), *(each.release for each in kernels)]
    near = difflib.get_close_matches(selector, [*KEYWORDS, *names], n=4, cutoff=0.5)
    return f"; near: {', '.join(near)}" if near else ""


def _has_helper(kernel: KernelPackage) -> bool:
    return KernelVersion(kernel.release).major_minor >= HELPER_SINCE


def _like(kernel: KernelPackage, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (kernel.series, kernel.release, kernel.version))


def _until_complete(kernels: Sequence[KernelPackage]) -> list[KernelPackage]:
    """Return the kernels up to the first complete one, inclusive."""
    complete = [number for number, each in enumerate(kernels, 1) if not each.missing]
    return list(kernels[: complete[0]] if complete else kernels)
