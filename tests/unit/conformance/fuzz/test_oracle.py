"""Each rule of the oracle, with the nearest safe program beside it."""

from __future__ import annotations

import pytest
from dynptr_harness.conformance.fuzz import oracle
from dynptr_harness.conformance.fuzz import programs as ast
from dynptr_harness.conformance.fuzz.oracle import Reason
from dynptr_harness.conformance.fuzz.programs import (
    LOCAL,
    Adjust,
    Block,
    Call,
    Check,
    Clone,
    Copy,
    Frame,
    If,
    IfKept,
    Load,
    Look,
    Loop,
    Overwrite,
    RandomProgram,
    Read,
    Release,
    Reserve,
    Return,
    Slice,
    Spoil,
    Store,
    TailCall,
    Unknown,
    Write,
)
from dynptr_harness.conformance.model.features import Features
from dynptr_harness.conformance.model.ring import Ring

# dynptrs 0 and 1 are neighbours: the second half of 1 is before the first of 0
MAIN = Frame((-16, -32, -64, -80), -112, (-120, -128), (-144, -160, -176), (), -184)
FUNCTION = Frame((-16,), -48, (-56, -64), (-80, -96, -112), (-120, -128, -136), -144)

RESERVE, SUBMIT, DISCARD = Reserve(0, 16), Release(0, discard=False), Release(0, discard=True)
SLICE = Slice(0, 0, 0, 8)
LOAD = Load(0, 0, 8)


def _checked(*valid: ast.ProgramStatement, slice_: int = 0) -> Block:
    """A reservation with a slice of 8 bytes that is used if it is not NULL."""
    return (RESERVE, Slice(slice_, 0, 0, 8), Check(slice_, valid), SUBMIT)


SAFE: dict[str, Block] = {
    "nothing": (),
    "submit": (RESERVE, SUBMIT),
    "discard": (RESERVE, DISCARD),
    "twice": (RESERVE, SUBMIT, RESERVE, DISCARD),
    "release on both paths": (RESERVE, If(0, (SUBMIT,), (DISCARD,))),
    "release after a failure": (Reserve(0, 16, failed=(DISCARD,), granted=(SUBMIT,)),),
    "reservation and release on the kept bit": (IfKept((RESERVE,)), IfKept((SUBMIT,))),
    "write and read": (RESERVE, Write(0, 0, 8), Read(0, 0, 8), SUBMIT),
    "loop": (Loop(3, (RESERVE, SUBMIT)),),
    "loop of an unknown number": (RESERVE, Loop(Unknown(0, 3), (Write(0, 0, 4),)), SUBMIT),
    "local dynptr": (Reserve(LOCAL, 8), Release(LOCAL, discard=False)),
    "release in a function": (RESERVE, Call((SUBMIT,))),
    "reservation in a function": (Call((RESERVE,)), SUBMIT),
    "local dynptr of a function": (Call((Reserve(LOCAL, 8), Release(LOCAL, discard=True))),),
    "return of a function": (RESERVE, Call((If(0, (Return(),)),)), SUBMIT),
    "slice": _checked(LOAD, Store(0, 7, 1, 1)),
    "load through a slice of a kfunc": (
        RESERVE,
        Slice(0, 0, 0, 8, kfunc=True),
        Check(0, (LOAD,)),
        SUBMIT,
    ),
    "copy of a slice": _checked(Copy(1, 0), Load(1, 0, 8)),
    "copy checked by the other": (RESERVE, SLICE, Copy(3, 0), Check(3, (LOAD,)), SUBMIT),
    "sum in bounds": _checked(Load(0, 0, 1, Unknown(1, 7))),
    "moved copy in bounds": _checked(Copy(1, 0, Unknown(1, 4)), Load(1, 0, 4)),
    "slice NULL": (RESERVE, SLICE, Check(0, (), (SUBMIT, Return())), SUBMIT),
    "store before the reservation": (Overwrite(0, 0, 8), RESERVE, SUBMIT),
    "store after the release": (RESERVE, SUBMIT, Overwrite(0, 0, 8)),
    "address moved to a free place": (Reserve(2, 8, shift=-8), Release(2, discard=True, shift=-8)),
    "clone": (RESERVE, Clone(1, 0), Release(1, discard=False)),
    "clone overwritten": (RESERVE, Clone(1, 0), Overwrite(1, 0, 8), SUBMIT),
    "adjust": (RESERVE, Adjust(0, 0, 8), SUBMIT),
    "tail call": (RESERVE, SUBMIT, TailCall()),
    "spoiled slice is not used": _checked(Spoil(2, 0, 8), slice_=2),
}

UNSAFE: dict[str, tuple[Block, set[Reason]]] = {
    "no release": ((RESERVE,), {Reason.LEAK}),
    "release on one path": ((RESERVE, If(0, (SUBMIT,))), {Reason.LEAK}),
    "no release after a failure": ((Reserve(0, 16, granted=(SUBMIT,)),), {Reason.LEAK}),
    "early return": ((RESERVE, If(0, (Return(),)), SUBMIT), {Reason.LEAK}),
    "tail call": ((RESERVE, TailCall(), SUBMIT), {Reason.LEAK}),
    "leak in a function": ((Call((Reserve(LOCAL, 8),)),), {Reason.LEAK}),
    "other half of the kept bit": (
        (IfKept((RESERVE,)), IfKept((), (SUBMIT,))),
        {Reason.LEAK, Reason.RELEASED_AGAIN},
    ),
    "release twice": ((RESERVE, SUBMIT, DISCARD), {Reason.RELEASED_AGAIN}),
    "release without a reservation": ((SUBMIT,), {Reason.RELEASED_AGAIN}),
    "release in a loop": ((RESERVE, Loop(2, (SUBMIT,))), {Reason.RELEASED_AGAIN}),
    "release twice or never": (
        (RESERVE, Loop(Unknown(0, 3), (SUBMIT,))),
        {Reason.RELEASED_AGAIN, Reason.LEAK},
    ),
    "release of both clones": (
        (RESERVE, Clone(1, 0), SUBMIT, Release(1, discard=True)),
        {Reason.RELEASED_AGAIN},
    ),
    "write without a reservation": ((Write(0, 0, 4),), {Reason.UNINITIALISED}),
    "read after the release": ((RESERVE, SUBMIT, Read(0, 0, 4)), {Reason.UNINITIALISED}),
    "slice after the release": ((RESERVE, SUBMIT, SLICE), {Reason.UNINITIALISED}),
    "adjust after the release": ((RESERVE, SUBMIT, Adjust(0, 0, 1)), {Reason.UNINITIALISED}),
    "clone after the release": ((RESERVE, SUBMIT, Clone(1, 0)), {Reason.UNINITIALISED}),
    "other function's local dynptr": (
        (Reserve(LOCAL, 8), Call((Write(LOCAL, 0, 4),))),
        {Reason.UNINITIALISED},
    ),
    "second half": ((RESERVE, Write(0, 0, 4, shift=-8), SUBMIT), {Reason.UNINITIALISED}),
    "reservation twice": ((RESERVE, RESERVE, SUBMIT), {Reason.OVERWRITTEN}),
    "reservation over a half": ((RESERVE, Reserve(1, 8, shift=8), SUBMIT), {Reason.OVERWRITTEN}),
    "store": ((RESERVE, Overwrite(0, 15, 1), SUBMIT), {Reason.OVERWRITTEN}),
    "store on one path": ((RESERVE, If(0, (Overwrite(0, 0, 8),)), SUBMIT), {Reason.OVERWRITTEN}),
    "store in a function": ((RESERVE, Call((Overwrite(0, 0, 4),)), SUBMIT), {Reason.OVERWRITTEN}),
    "both clones overwritten": (
        (RESERVE, Clone(1, 0), Overwrite(0, 0, 8), Overwrite(1, 0, 8)),
        {Reason.OVERWRITTEN},
    ),
    "clone used after a store": (
        (RESERVE, Clone(1, 0), Overwrite(1, 0, 8), Write(1, 0, 1)),
        {Reason.UNINITIALISED},
    ),
    "clone into itself": ((RESERVE, Clone(0, 0), SUBMIT), {Reason.OVERWRITTEN}),
    "read over a dynptr": ((RESERVE, Read(0, 0, 8, over=0, at=8), SUBMIT), {Reason.OVERWRITTEN}),
    "long read": ((RESERVE, Reserve(LOCAL, 8), Read(0, 0, 40)), {Reason.OVERWRITTEN}),
    "load of a dynptr": ((RESERVE, Look(0, 8, 8), SUBMIT), {Reason.READ_DYNPTR}),
    "long write": ((Reserve(LOCAL, 8), Write(LOCAL, 0, 40)), {Reason.READ_DYNPTR}),
    "misaligned": ((Reserve(2, 8, shift=4),), {Reason.POSITION}),
    "variable offset": ((RESERVE, Write(0, 0, 4, shift=Unknown(0, 8)), SUBMIT), {Reason.POSITION}),
    "beyond the frame": ((Reserve(0, 8, shift=8),), {Reason.STACK_BOUNDS}),
    "write beyond the frame": ((RESERVE, Write(0, 0, 500)), {Reason.STACK_BOUNDS}),
    "slice without a check": ((RESERVE, SLICE, LOAD, SUBMIT), {Reason.NULL}),
    "slice on the NULL side": ((RESERVE, SLICE, Check(0, (), (LOAD,)), SUBMIT), {Reason.NULL}),
    "slice never set": ((LOAD,), {Reason.NULL}),
    "slice of the caller": (_checked(Call((LOAD,))), {Reason.NULL}),
    "sum without a check": ((RESERVE, SLICE, Copy(1, 0, Unknown(0, 1)), SUBMIT), {Reason.NULL}),
    "slice after the release of its dynptr": ((*_checked(), LOAD), {Reason.SLICE_RELEASED}),
    "copy after the release": (
        (RESERVE, SLICE, Check(0, (Copy(2, 0, Unknown(1, 3)), SUBMIT, Load(2, 0, 1)), (SUBMIT,))),
        {Reason.SLICE_RELEASED},
    ),
    "slice released by a function": (
        (RESERVE, SLICE, Check(0, (Call((SUBMIT,)), LOAD), (SUBMIT,))),
        {Reason.SLICE_RELEASED},
    ),
    "slice of a clone": (
        (RESERVE, Clone(1, 0), Slice(0, 1, 0, 8), Check(0, (SUBMIT, LOAD), (SUBMIT,))),
        {Reason.SLICE_RELEASED},
    ),
    "load beyond the end": (_checked(Load(0, 1, 8)), {Reason.SLICE_BOUNDS}),
    "load before the start": (_checked(Load(0, -1, 1)), {Reason.SLICE_BOUNDS}),
    "sum beyond the end": (_checked(Store(0, 1, 1, 0, Unknown(1, 7))), {Reason.SLICE_BOUNDS}),
    "moved copy beyond the end": (_checked(Copy(1, 0, Unknown(1, 4)), Load(1, 1, 4)), {Reason.SLICE_BOUNDS}),
    "store through a slice for loads": (
        (RESERVE, Slice(0, 0, 0, 8, kfunc=True), Check(0, (Store(0, 0, 1, 0),)), SUBMIT),
        {Reason.READ_ONLY},
    ),
    "unknown length": ((RESERVE, Slice(0, 0, 0, Unknown(0, 7)), SUBMIT), {Reason.SLICE_LENGTH}),
    "spoiled slice": (_checked(Spoil(2, 4, 4), Load(2, 0, 1), slice_=2), {Reason.NO_SLICE}),
}


def _program(body: Block, *, traced: bool = False) -> RandomProgram:
    return RandomProgram(body, MAIN, FUNCTION, traced=traced)


@pytest.mark.parametrize("name", SAFE)
def test_safe(name: str) -> None:
    assert not oracle.reasons(_program(SAFE[name]))


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe(name: str) -> None:
    body, reasons = UNSAFE[name]
    assert set(oracle.reasons(_program(body))) == reasons


def test_every_reason_has_a_program() -> None:
    assert {reason for _body, reasons in UNSAFE.values() for reason in reasons} == set(Reason)


def test_a_program_with_too_many_paths_is_not_judged() -> None:
    with pytest.raises(oracle.TooManyPaths):
        oracle.reasons(_program(tuple(If(n, (Overwrite(0, 0, 8),)) for n in range(10))))


def test_a_run_predicts_records_and_the_return_value() -> None:
    body: Block = (
        Reserve(0, Unknown(0, 31)),
        Write(0, 0, 8),
        Slice(0, 0, 8, 4),
        Check(0, (Store(0, 0, 4, 0x55), Load(0, 0, 4))),
        If(1, (SUBMIT,), (DISCARD,)),
    )
    ring = Ring(4096)
    value = oracle.run(_program(body, traced=True), (16, 1, *[0] * 10), ring, Features())
    (record,) = ring.unread()
    assert (record.header, str(ring.payload(record))) == (16, "01010101000000005500000000000000")
    assert value == 0x55  # after two results that are zero

    small = Ring(4096)
    value = oracle.run(_program(body, traced=True), (4, 0, *[0] * 10), small, Features())
    (record,) = small.unread()
    assert record.header == 4 | 1 << 30
    assert value == (-7) % (1 << 32)  # -E2BIG of the write
