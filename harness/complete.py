"""What the shell offers on Tab. Imports are inside: a person waits for each of them."""

from __future__ import annotations

Offers = list[tuple[str, str]]  # a word and what it means


def prog_types(incomplete: str) -> Offers:
    """Program types that begin as typed, in either case of letters."""
    from harness.conformance.prog_types import PROG_TYPES

    return _beginning(incomplete, [(each.name, each.event) for each in PROG_TYPES])


def cases(incomplete: str) -> Offers:
    """Cases that begin as typed, in either case of letters."""
    from harness.conformance.catalogue import CASES

    return _beginning(incomplete, [(each.id, each.title) for each in CASES])


def groups(incomplete: str) -> Offers:
    """Groups of cases that begin as typed, in either case of letters."""
    from harness.conformance.groups import GROUPS

    return _beginning(incomplete, list(GROUPS.items()))


def kernels(incomplete: str) -> Offers:
    """The kernels on this machine's disk, by series and by release."""
    from harness.kernels.debian import cached
    from harness.settings import Settings

    found = cached(Settings.from_environment())
    series = {each.series: f"series, such as {each.release}" for each in found}
    return _beginning(incomplete, [*series.items(), *((each.release, each.version) for each in found)])


def _beginning(incomplete: str, offers: Offers) -> Offers:
    return [offer for offer in offers if offer[0].upper().startswith(incomplete.upper())]
