"""Shell completion of arguments. Functions import what they need, as each import delays the shell."""

from __future__ import annotations

Offers = list[tuple[str, str]]  # words and their descriptions


def prog_types(incomplete: str) -> Offers:
    """Complete program types. All completions ignore case."""
    from dynptr_harness.conformance.prog_types import PROG_TYPES

    return _beginning(incomplete, [(each.name, each.event) for each in PROG_TYPES])


def cases(incomplete: str) -> Offers:
    """Complete IDs of cases."""
    from dynptr_harness.conformance.catalogue import CASES

    return _beginning(incomplete, [(each.id, each.title) for each in CASES])


def demonstrations(incomplete: str) -> Offers:
    """Complete names of demonstrations."""
    from dynptr_harness.commands.demo import demonstrations as every
    from dynptr_harness.conformance.loader import load

    return _beginning(incomplete, [(each.name, each.about) for each in every(load())])


def groups(incomplete: str) -> Offers:
    """Complete groups of cases."""
    from dynptr_harness.conformance.groups import GROUPS

    return _beginning(incomplete, list(GROUPS.items()))


def kernels(incomplete: str) -> Offers:
    """Complete keywords, and kernels in the cache and in the stored package lists."""
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.debian.packages import best_of_series
    from dynptr_harness.kernels.debian.source import last_known
    from dynptr_harness.kernels.selectors import KEYWORDS

    found = last_known(Settings.from_environment())
    series = [(each.series, f"series, such as {each.release}") for each in best_of_series(found)]
    releases = [(each.release, each.version) for each in found]
    return _beginning(incomplete, [*KEYWORDS.items(), *series, *releases])


def cached_kernels(incomplete: str) -> Offers:
    """Complete releases of kernels in the cache."""
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.debian.store import cached

    return _beginning(
        incomplete, [(each.release, each.version) for each in cached(Settings.from_environment())]
    )


def cache_kinds(incomplete: str) -> Offers:
    """Complete kinds of cache entries."""
    from dynptr_harness.commands.cache import KINDS

    return _beginning(incomplete, list(KINDS.items()))


def _beginning(incomplete: str, offers: Offers) -> Offers:
    return [offer for offer in offers if offer[0].upper().startswith(incomplete.upper())]
