"""A case: one row of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.conformance.experiments import Experiment
    from harness.conformance.prog_types import ProgType, Version


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
        return (self.since is None or version >= self.since) and (
            self.before is None or version < self.before
        )


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
    """

    id: str
    column: str
    title: str
    experiment: Experiment
    source: str
    differences: tuple[Difference, ...] = ()

    def request(self, prog_type: ProgType) -> dict[str, Any]:
        """What the agent is asked for this cell."""
        return {"prog_type": prog_type.name, **self.experiment.request()}

    def applies(self, prog_type: ProgType) -> bool:  # noqa: ARG002  (every case so far is for all types)
        """Whether the case says anything of this type."""
        return True
