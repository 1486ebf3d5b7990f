"""Defects of the verifier that random programs are known to find, with the commit that fixed each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance.fuzz.oracle import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Defect:
    """An unsafe program that kernels accept.

    Attributes:
        reasons: why programs that show it are unsafe.
        merges_states: the kernel rejects the program if its branches on unknown values are taken out, in each
            way that is unsafe. So it has taken states of the program for equal that are not.
        since, fixed: versions; `since` is included.
    """

    text: str
    reasons: frozenset[Reason]
    commit: str
    fixed: tuple[int, int]
    since: tuple[int, int] = (5, 19)
    merges_states: bool = False

    def explains(self, reasons: Iterable[Reason], version: tuple[int, int], *, merges_states: bool) -> bool:
        """Return True if a kernel with this defect accepts programs that are unsafe for these reasons."""
        return (
            self.since <= version < self.fixed
            and self.reasons.issuperset(reasons)
            and merges_states >= self.merges_states
        )


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "the offset of a dynptr is not checked",
        frozenset({Reason.POSITION}),
        "79168a669d81",
        fixed=(6, 3),
    ),
    Defect(
        "states that differ in a dynptr are taken for equal",
        frozenset(Reason),
        "d6fefa1105da",
        fixed=(6, 3),
        merges_states=True,
    ),
)


def known(
    reasons: Iterable[Reason], version: tuple[int, int], *, merges_states: bool = False
) -> Defect | None:
    """Return the defect because of which a kernel accepts an unsafe program, if it is known."""
    wanted = set(reasons)
    return next(
        (each for each in DEFECTS if each.explains(wanted, version, merges_states=merges_states)), None
    )
