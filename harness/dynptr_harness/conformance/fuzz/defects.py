"""Defects of the verifier that random programs are known to find, with the commit that fixed each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance.fuzz.oracle import Reason
from dynptr_harness.conformance.fuzz.programs import Call, walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dynptr_harness.conformance.fuzz.programs import RandomProgram


@dataclass(frozen=True)
class Defect:
    """An unsafe program that kernels accept.

    Attributes:
        reasons: why programs that show it are unsafe.
        merges_states: the kernel rejects the program if its branches on unknown values are taken out, in each
            way that is unsafe. So it has taken states of the program for equal that are not.
        since, fixed: versions; `since` is included.
        kfunc: programs that show it call this kfunc.
        functions: programs that show it have more than one function.
    """

    text: str
    reasons: frozenset[Reason]
    commit: str
    fixed: tuple[int, int]
    since: tuple[int, int] = (5, 19)
    merges_states: bool = False
    kfunc: str | None = None
    functions: bool = False

    def explains(
        self,
        program: RandomProgram,
        reasons: Iterable[Reason],
        version: tuple[int, int],
        *,
        merges_states: bool,
    ) -> bool:
        """Return True if a kernel with this defect accepts a program that is unsafe for these reasons."""
        return (
            self.since <= version < self.fixed
            and self.reasons.issuperset(reasons)
            and (self.kfunc is None or self.kfunc in program.kfuncs)
            and (not self.functions or any(isinstance(each, Call) for each in walk(program.body)))
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
    Defect(
        "the slice of a kfunc is not tied to the reservation",
        frozenset({Reason.SLICE_RELEASED}),
        "308c7a0ae885",
        since=(6, 4),
        fixed=(7, 2),
        kfunc="bpf_dynptr_slice",
    ),
    Defect(
        "a release leaves the clones in the frames of other functions",
        frozenset({Reason.UNINITIALISED, Reason.RELEASED_AGAIN}),
        "308c7a0ae885",
        since=(6, 5),
        fixed=(7, 2),
        kfunc="bpf_dynptr_clone",
        functions=True,
    ),
)


def known(
    program: RandomProgram,
    reasons: Iterable[Reason],
    version: tuple[int, int],
    *,
    merges_states: bool = False,
) -> Defect | None:
    """Return the defect because of which a kernel accepts an unsafe program, if it is known."""
    wanted = set(reasons)
    found = (each for each in DEFECTS if each.explains(program, wanted, version, merges_states=merges_states))
    return next(found, None)
