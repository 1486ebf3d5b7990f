"""A case: one row of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynptr_harness.conformance.experiments.base import Experiment
    from dynptr_harness.conformance.prog_types import ProgType, Version


# A case with several loaders runs with each of them in these types. In other types it runs with the first one
# only, because a loader treats all types the same except for the flags that a type needs.
COMPARED_IN = frozenset({"RAW_TRACEPOINT", "SYSCALL"})


@dataclass(frozen=True)
class Difference:
    """Other behaviour that kernels of some versions may show, for a documented reason.

    Attributes:
        experiment: the same request with the expectations for those kernels.
        before: first version that must no longer show it, or None.
        since: first version that may show it, or None.
        source: commit or version that changed the behaviour.
        defect: True for a known defect of the kernel. Otherwise both behaviours are right.
    """

    experiment: Experiment
    source: str
    before: Version | None = None
    since: Version | None = None
    defect: bool = False

    def covers(self, version: Version) -> bool:
        """Return True if a kernel of this version may show it."""
        return _within(version, self.since, self.before)


@dataclass(frozen=True)
class Splat:
    """A warning or oops that a case causes on kernels of some versions: a known defect.

    Attributes:
        text: part of the line in the kernel log, such as 'kernel/bpf/verifier.c'.
        source: the cause, or the commit that changed it.
        before: first version that must no longer show it, or None.
        since: first version that may show it, or None.
    """

    text: str
    source: str
    before: Version | None = None
    since: Version | None = None

    def covers(self, version: Version, line: str) -> bool:
        """Return True if a kernel of this version may log this line."""
        return self.text in line and _within(version, self.since, self.before)


def _within(version: Version, since: Version | None, before: Version | None) -> bool:
    return (since is None or version >= since) and (before is None or version < before)


@dataclass(frozen=True)
class Case:
    """One row of the catalogue.

    Attributes:
        id: group and number. It never changes.
        title: the action and the expected behaviour, in one line.
        experiment: the request to the agent, with the expectations.
        source: source of the expectation, such as a kernel commit.
        differences: other behaviour of some versions. Every kernel may show the newest behaviour, because
            distributions backport changes.
        loaders: loaders of the programs. 'bcc' compiles and loads them, 'libbpf' loads them from an ELF
            object. The catalogue adds 'libbpf' to a row with ('bcc',) whose experiment is a script of the
            object 'steps'; see `dynptr_harness.conformance.catalogue`.
        types: program types that the case applies to, empty for all.
        kfuncs: kfuncs that the programs call. On a kernel without one of them, the verdict is 'absent'.
        needs_types: types of its programs, other than the type of the cell. On a kernel that is
            built without one of them, the verdict is 'absent'.
        overwrites: the case needs a ring that overwrites its oldest records. On a kernel without such rings,
            the verdict is 'absent'.
        without_helper: the case also applies to kernels without the helper.
        splats: known warnings of the kernel. Any other is a failure.
        variants: the case also applies to the other ways to attach a type.
    """

    id: str
    title: str
    experiment: Experiment
    source: str
    differences: tuple[Difference, ...] = ()
    loaders: tuple[str, ...] = ("bcc",)
    types: tuple[str, ...] = ()
    kfuncs: tuple[str, ...] = ()
    needs_types: tuple[str, ...] = ()
    overwrites: bool = False
    without_helper: bool = False
    splats: tuple[Splat, ...] = ()
    variants: bool = False

    def loaders_for(self, prog_type: ProgType) -> tuple[str, ...]:
        """Return the loaders for this type. Each of them has its own cell."""
        return self.loaders if prog_type.name in COMPARED_IN else self.loaders[:1]

    def request(self, prog_type: ProgType, loader: str = "bcc") -> dict[str, Any]:
        """Return the request to the agent for this cell."""
        return {"prog_type": prog_type.name, "loader": loader, **self.experiment.request()}

    def applies(self, prog_type: ProgType) -> bool:
        """Return True if the case applies to this type."""
        if self.types:
            return prog_type.name in self.types
        return prog_type.offers_helper and (self.variants or not prog_type.is_variant)
