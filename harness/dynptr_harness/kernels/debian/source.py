"""The choice of Debian kernels, in the archive and in the cache."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed, HarnessError, WrongUsage
from dynptr_harness.kernels.debian import apt, store
from dynptr_harness.kernels.debian import index as debian_index
from dynptr_harness.kernels.debian.index import Index
from dynptr_harness.kernels.debian.matching import Match, fitting, pick, similar
from dynptr_harness.kernels.debian.packages import best_of_series, ranked
from dynptr_harness.kernels.selectors import is_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.debian.packages import KernelPackage
    from dynptr_harness.kernels.model import Kernel


log = logging.getLogger(__name__)


def choose(selector: str, settings: Settings, progress: Progress) -> list[Match]:
    """Return the kernels that a selector matches, among complete ones in the archive and those in the cache.

    Incomplete kernels are skipped with a warning. If the mirror fails, a series or a release is looked up in
    the cache only, with a warning. A keyword or a pattern is then an error.

    Raises:
        WrongUsage: there is no such kernel.
        EnvironmentFailed: the mirror failed, or fetching is disabled, and the cache has no such kernel.
    """
    stored = store.cached(settings)
    if exact := [Match(each, selector) for each in stored if each.release == selector]:
        return exact[:1]  # the archive has no better one
    if settings.offline:
        return pick(selector, stored) or _nothing_cached(selector, stored)
    try:
        index = debian_index.served(lambda each: bool(_split(selector, each.kernels)[0]), settings, progress)
        if index.lacking and is_set(selector):
            raise apt.MirrorFailed(index.troubles[0])
        picks, incomplete = _split(selector, _known(index, stored))
        if not picks:
            raise _unknown(selector, incomplete, index)
    except apt.MirrorFailed as failed:
        if is_set(selector):
            raise _mirror_required(selector, failed) from failed
        return _of_cache(selector, stored, failed)
    passed_over = [f"skipped kernels that Debian serves only in part: {_named(incomplete)}"]
    for warning in [*index.troubles, *(passed_over if incomplete else [])]:
        log.warning("%s", warning)
    return picks


def fetch(choice: Match, settings: Settings, progress: Progress) -> Kernel:
    """Return a chosen kernel from the disk, fetched first if needed.

    If the mirror fails, return a kernel in the cache that matches instead, or raise EnvironmentFailed.
    """
    try:
        return store.fetch(choice.kernel, settings, progress)
    except apt.MirrorFailed as failed:
        others = [each for each in store.cached(settings) if each.key != choice.kernel.key]
        (found,) = _of_cache(choice.meant, others, failed)
        return store.fetch(found.kernel, settings, progress)


def known(settings: Settings, progress: Progress) -> tuple[list[KernelPackage], list[str]]:
    """Return all kernels in the archive and in the cache, in the order of `ranked`, and apt's errors.

    If fetching is disabled or the mirror fails, return only the kernels in the cache.
    """
    stored = store.cached(settings)
    if settings.offline:
        return stored, []
    try:
        index = debian_index.served(lambda index: bool(index.kernels), settings, progress)
    except apt.MirrorFailed as failed:
        return stored, [failed.fact]
    return _known(index, stored), index.troubles


def listed(selectors: Sequence[str], kernels: Sequence[KernelPackage], *, every: bool) -> list[KernelPackage]:
    """Return the known kernels that match any selector.

    Without selectors, return the best kernel of each series and those in the cache.

    Args:
        selectors: as for `matching.fitting`.
        kernels: all known kernels.
        every: return all kernels if there are no selectors.

    Raises:
        WrongUsage: a selector matches no kernel.
    """
    if not selectors:
        best = best_of_series(kernels)
        return [each for each in kernels if every or each.cached or each in best]
    chosen = [each for selector in selectors for each in _fitting(selector, kernels)]
    return [each for each in kernels if each in chosen]


def last_known(settings: Settings) -> list[KernelPackage]:
    """Return the kernels in the cache and the complete ones in the stored index. This fetches nothing."""
    found = _known(Index.read(settings), store.cached(settings))
    return [each for each in found if not each.missing]


def _known(index: Index, stored: Sequence[KernelPackage]) -> list[KernelPackage]:
    """Return the kernels in the archive or the cache, each once. Sort them only if the cache has others."""
    cached = {each.key: each for each in stored}
    if cached.keys() <= {each.key for each in index.kernels if not each.missing}:
        return [cached.get(each.key, each) for each in index.kernels]
    return ranked([*(each for each in index.kernels if each.key not in cached), *stored])


def _fitting(selector: str, kernels: Sequence[KernelPackage]) -> list[KernelPackage]:
    if found := fitting(selector, kernels):
        return found
    raise WrongUsage(
        f"there is no kernel {selector!r}{similar(selector, kernels)}",
        "'dynptr-harness kernels --all' lists them all",
    )


def _split(selector: str, kernels: Sequence[KernelPackage]) -> tuple[list[Match], list[KernelPackage]]:
    """Return the complete and the incomplete kernels that a selector matches."""
    picks = pick(selector, kernels)
    return (
        [each for each in picks if not each.kernel.missing],
        [each.kernel for each in picks if each.kernel.missing],
    )


def _of_cache(selector: str, stored: Sequence[KernelPackage], failed: apt.MirrorFailed) -> list[Match]:
    picks = pick(selector, stored)
    if not picks:
        raise failed
    log.warning("using %s from the cache: %s", picks[0].kernel.release, failed.fact)
    return picks


def _nothing_cached(selector: str, stored: Sequence[KernelPackage]) -> list[Match]:
    has = f"name one of those it has ({_series(stored)})" if stored else "it is empty: fetch one"
    raise EnvironmentFailed(
        f"the cache has no kernel {selector!r}, and fetching is disabled", f"{has}, {apt.OFFLINE_HINT}"
    )


def _mirror_required(selector: str, failed: apt.MirrorFailed) -> apt.MirrorFailed:
    return apt.MirrorFailed(
        f"{selector!r} needs all of Debian's lists: {failed.fact}",
        f"{apt.MIRROR_HINT}, or use --offline for those in the cache",
    )


def _unknown(selector: str, incomplete: Sequence[KernelPackage], index: Index) -> HarnessError:
    if index.troubles:
        return apt.MirrorFailed(
            f"no kernel {selector!r} in the lists that could be fetched: {index.troubles[0]}",
            apt.MIRROR_HINT,
        )
    complete = [each for each in index.kernels if not each.missing]
    served = f": {_named(incomplete)}" if incomplete else similar(selector, complete)
    return WrongUsage(
        f"Debian serves no complete kernel {selector!r}{served}",
        f"name one of the series {_series(complete)}, a release, or the path of a kernel image",
    )


def _named(incomplete: Iterable[KernelPackage]) -> str:
    return "; ".join(f"{each.release} lacks {', '.join(each.missing)}" for each in incomplete)


def _series(kernels: Iterable[KernelPackage]) -> str:
    return ", ".join(each.series for each in best_of_series(kernels))
