"""Which programs a known defect explains."""

from __future__ import annotations

import pytest
from dynptr_harness.conformance.fuzz.defects import known
from dynptr_harness.conformance.fuzz.oracle import Reason
from dynptr_harness.conformance.fuzz.programs import LOCAL, Call, Clone, Frame, RandomProgram, Slice

FRAME = Frame((), 0, (), (), (), 0)
PLAIN, KFUNC = (RandomProgram((Slice(0, 0, 0, 8, kfunc=kfunc),), FRAME, FRAME) for kfunc in (False, True))
CLONE = Clone(LOCAL, 0)
ACROSS = RandomProgram((Call((CLONE,)),), FRAME, FRAME)
WITHIN = RandomProgram((CLONE,), FRAME, FRAME)


@pytest.mark.parametrize(
    ("program", "reasons", "version", "merges", "commit"),
    [
        (PLAIN, {Reason.POSITION}, (6, 1), False, "79168a669d81"),
        (PLAIN, {Reason.POSITION}, (6, 3), False, None),
        (PLAIN, {Reason.POSITION, Reason.LEAK}, (6, 1), False, None),
        (PLAIN, {Reason.LEAK}, (6, 1), True, "d6fefa1105da"),
        (PLAIN, {Reason.LEAK}, (6, 1), False, None),
        (PLAIN, {Reason.LEAK}, (6, 3), True, None),
        (KFUNC, {Reason.SLICE_RELEASED}, (6, 12), False, "308c7a0ae885"),
        (KFUNC, {Reason.SLICE_RELEASED}, (7, 2), False, None),
        (PLAIN, {Reason.SLICE_RELEASED}, (6, 12), False, None),
        (KFUNC, {Reason.LEAK}, (6, 12), False, None),
        (ACROSS, {Reason.UNINITIALISED}, (6, 12), False, "308c7a0ae885"),
        (ACROSS, {Reason.UNINITIALISED}, (7, 2), False, None),
        (WITHIN, {Reason.UNINITIALISED}, (6, 12), False, None),
    ],
)
def test_known(
    program: RandomProgram, reasons: set[Reason], version: tuple[int, int], merges: bool, commit: str | None
) -> None:
    defect = known(program, reasons, version, merges_states=merges)
    assert (defect.commit if defect else None) == commit
