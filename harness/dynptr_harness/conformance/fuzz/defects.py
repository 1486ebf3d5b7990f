"""Defects of the verifier that random programs are known to find, with the commit that fixed each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynptr_harness.conformance.fuzz.oracle import Reason


@dataclass(frozen=True)
class Defect:
    """An unsafe program that kernels accept.

    Attributes:
        reasons: why programs that show it are unsafe.
        since, fixed: versions; `since` is included.
    """

    text: str
    reasons: frozenset[Reason]
    commit: str
    fixed: tuple[int, int]
    since: tuple[int, int] = (5, 19)

    def explains(self, reasons: Iterable[Reason], version: tuple[int, int]) -> bool:
        """Return True if a kernel with this defect accepts programs that are unsafe for these reasons."""
        return self.since <= version < self.fixed and self.reasons.issuperset(reasons)


DEFECTS: tuple[Defect, ...] = ()


def known(reasons: Iterable[Reason], version: tuple[int, int]) -> Defect | None:
    """Return the defect because of which a kernel accepts an unsafe program, if it is known."""
    wanted = set(reasons)
    return next((each for each in DEFECTS if each.explains(wanted, version)), None)
