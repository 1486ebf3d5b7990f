"""A case: one row of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynptr_harness.conformance.experiments.base import Experiment
    from dynptr_harness.conformance.prog_types import ProgType, Version


# Types in which a case that several loaders can do is done through each of them; in the others only
# through the first, because a loader's way is the same for all types but for what a type needs in flags.
COMPARED_IN = frozenset({"RAW_TRACEPOINT", "SYSCALL"})


@dataclass(frozen=True)
class Difference:
    """What a kernel of some versions may show instead, for a documented reason.

    Attributes:
        experiment: the same request, with what must come of it on those kernels.
        before: the first version that must not show it any more, or None.
        since: the first version that may show it, or None.
        source: the commit or version that changed the behaviour.
        defect: the kernel is wrong, and that is known; else both are right.
    """

    experiment: Experiment
    source: str
    before: Version | None = None
    since: Version | None = None
    defect: bool = False

    def covers(self, version: Version) -> bool:
        """Whether a kernel of this version may show it."""
        return _within(version, self.since, self.before)


@dataclass(frozen=True)
class Splat:
    """A complaint of the kernel about itself that a case draws from kernels of some versions: a known defect.

    Attributes:
        text: in the line of the complaint, such as 'kernel/bpf/verifier.c'.
        source: why it complains, or the commit that changed it.
        before: the first version that must not show it any more, or None.
        since: the first version that may show it, or None.
    """

    text: str
    source: str
    before: Version | None = None
    since: Version | None = None

    def covers(self, version: Version, line: str) -> bool:
        """Whether a kernel of this version may complain in these words."""
        return self.text in line and _within(version, self.since, self.before)


def _within(version: Version, since: Version | None, before: Version | None) -> bool:
    return (since is None or version >= since) and (before is None or version < before)


@dataclass(frozen=True)
class Case:
    """One row of the catalogue.

    Attributes:
        id: stable; group and number.
        column: heading in the matrix, at most nine characters.
        title: what is done and must be seen, in one line.
        experiment: what the agent is asked, and what must come of it.
        source: where the expectation comes from.
        differences: what some versions show instead. A kernel may always show what the newest one does:
            distributions take changes back.
        loaders: what can load the programs: 'bcc', which also compiles them, and 'libbpf', which takes
            them from an ELF object.
        types: program types that the case says anything of; empty for all.
        kfuncs: what the programs call; a kernel that lacks one of them has nothing to show.
        overwrites: it needs a ring that overwrites its oldest records; a kernel without has nothing to show.
        without_helper: the case says something of kernels that lack the helper, too.
        splats: complaints of the kernel about itself that are known; any other is a failure.
        variants: the case says something of the other ways to attach a type, too.
    """

    id: str
    column: str
    title: str
    experiment: Experiment
    source: str
    differences: tuple[Difference, ...] = ()
    loaders: tuple[str, ...] = ("bcc",)
    types: tuple[str, ...] = ()
    kfuncs: tuple[str, ...] = ()
    overwrites: bool = False
    without_helper: bool = False
    splats: tuple[Splat, ...] = ()
    variants: bool = False

    def loaders_for(self, prog_type: ProgType) -> tuple[str, ...]:
        """The loaders that the case is done through in this type, each in a cell of its own."""
        return self.loaders if prog_type.name in COMPARED_IN else self.loaders[:1]

    def request(self, prog_type: ProgType, loader: str = "bcc") -> dict[str, Any]:
        """What the agent is asked for this cell."""
        return {"prog_type": prog_type.name, "loader": loader, **self.experiment.request()}

    def applies(self, prog_type: ProgType) -> bool:
        """Whether the case says anything of this type."""
        if self.types:
            return prog_type.name in self.types
        return prog_type.offers_helper and (self.variants or not prog_type.is_variant)
