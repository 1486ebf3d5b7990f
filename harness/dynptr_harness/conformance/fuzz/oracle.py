"""Decides if a program is safe, by walking its paths. The verifier has no part in this.

The rules, with their sources:

- A dynptr of a reservation must be released once on every path, even if the reservation failed; no path may
  leave it open (include/uapi/linux/bpf.h, bpf_ringbuf_reserve_dynptr). A tail call ends the program, too.
- Helpers take initialised dynptrs only. A release ends the dynptr and its clones (commits 97e03f521050 and
  bc34dee65a65).
- A dynptr is on the stack, at a constant offset that is a multiple of 8. Only helpers and kfuncs access its
  16 bytes (commits 79168a669d81 and ef8fc7a07c0e). A store over the last dynptr of an open reservation loses
  the reservation.
- The slice of bpf_dynptr_slice is for loads only (Documentation/bpf/kfuncs.rst, commit 66e3a13e7c2c).
- A slice may be NULL. Its length is a constant. It may be used within its length, and until its dynptr is
  released (bpf_dynptr_data in bpf.h, commits 34d4ef5775f7 and f8064ab90d66).

Both ways of a branch on an unknown value are possible, each time it is reached. The kept bit has one value in
a path. A helper may fail whenever its documentation allows it.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NoReturn, Protocol

from dynptr_harness.conformance.fuzz import programs as ast
from dynptr_harness.conformance.fuzz.compiler import DIGEST_FACTOR, INT_MASK, pattern
from dynptr_harness.conformance.model.dynptr import Dynptr
from dynptr_harness.conformance.model.octets import Octets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.conformance.fuzz.programs import Block, Frame, Number, RandomProgram
    from dynptr_harness.conformance.model.features import Features
    from dynptr_harness.conformance.model.ring import Ring

MAX_PATHS = 600
U64 = 1 << 64
STACK = 512  # bytes of a frame


class Reason(Enum):
    """Why a program is unsafe."""

    LEAK = "a reservation is not released"
    RELEASED_AGAIN = "a release of a dynptr that is not initialised"
    UNINITIALISED = "the use of a dynptr that is not initialised"
    OVERWRITTEN = "a dynptr of an open reservation is overwritten"
    READ_DYNPTR = "a read of the bytes of a dynptr"
    POSITION = "a dynptr at a misaligned or variable offset of the stack"
    STACK_BOUNDS = "an access outside of the stack"
    NULL = "the use of a slice without a comparison with NULL"
    NO_SLICE = "the use of a slice that was overwritten"
    SLICE_RELEASED = "the use of a slice after the release"
    SLICE_BOUNDS = "an access outside of a slice"
    READ_ONLY = "a store through a slice for loads only"
    SLICE_LENGTH = "a slice of a length that is not constant"


class TooManyPaths(Exception):
    """The program has more paths than `MAX_PATHS`."""


class _Unsafe(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class _Returned(Exception):
    """A function returned."""


class Chooser(Protocol):
    """Chooses what a path does where there is a choice."""

    def value(self, unknown: ast.Unknown) -> int:
        """Return the value of an argument under its mask."""

    def choice(self) -> bool:
        """Return which way a branch goes that the program cannot foresee."""


@dataclass(eq=False)
class _Reservation:
    """A reservation, granted or not, until its release."""

    released: bool = False
    handles: int = 0  # dynptrs that refer to it


@dataclass(eq=False)
class _Handle:
    """A dynptr on the stack.

    Attributes:
        real: the model's dynptr. None while the ring is not modelled.
    """

    reservation: _Reservation
    real: Dynptr | None


@dataclass(eq=False)
class _Memory:
    """The bytes of one call of bpf_dynptr_data."""

    reservation: _Reservation
    length: int
    writable: bool
    checked: bool | None  # is it a pointer? None before the comparison with NULL
    view: Dynptr | None = None
    start: int = 0


@dataclass(frozen=True)
class _Pointer:
    """A slice: a place in a memory, or a number if it has none."""

    memory: _Memory | None = None
    offset: int = 0
    overwritten: bool = False


@dataclass(frozen=True)
class _Half:
    """One of the two words of a dynptr on the stack."""

    handle: _Handle
    second: bool


@dataclass
class _Frame:
    """The stack frame and the slices in registers of a function."""

    layout: Frame
    words: dict[int, _Half] = field(default_factory=dict)  # by offset from the frame pointer
    slices: dict[int, _Pointer] = field(default_factory=dict)
    octets: dict[int, int | None] = field(default_factory=dict)  # initialised bytes; None is an unknown one


class Path:
    """Walks one path of a program.

    Args:
        ring: performs the helpers on this model. Without it, only the safety is decided.
    """

    def __init__(
        self,
        program: RandomProgram,
        chooser: Chooser,
        ring: Ring | None = None,
        features: Features | None = None,
    ) -> None:
        self._program = program
        self._chooser = chooser
        self._ring = ring
        self._features = features
        self._reservations: list[_Reservation] = []
        self._main = _Frame(program.main)
        self._frames = [self._main]
        self._kept = bool(chooser.value(ast.Unknown(ast.KEPT_ARGUMENT, 1)))
        self.digest: int | None = 0

    def walk(self) -> Reason | None:
        """Walk the path and return the first violation of a rule, or None."""
        try:
            self._function(self._program.body)
            self._check_leaks()
        except _Unsafe as unsafe:
            return unsafe.reason
        return None

    @property
    def _frame(self) -> _Frame:
        return self._frames[-1]

    @property
    def _inner(self) -> bool:
        return len(self._frames) > 1

    def _function(self, body: Block) -> None:
        frame = self._frame
        for word in range(ast.BUFFER // 8):
            octets = pattern(word).to_bytes(8, "little")
            frame.octets.update({frame.layout.buffer + 8 * word + n: each for n, each in enumerate(octets)})
        frame.slices.update({number: _Pointer() for number in range(ast.SLICES)})
        with suppress(_Returned):
            self._block(body)

    def _block(self, block: Block) -> None:
        for statement in block:
            getattr(self, ast.METHODS[type(statement)])(statement)

    def _check_leaks(self) -> None:
        if any(not each.released for each in self._reservations):
            self._fail(Reason.LEAK)

    def _fail(self, reason: Reason) -> NoReturn:
        raise _Unsafe(reason)

    def _value(self, number: Number) -> int:
        return self._chooser.value(number) if isinstance(number, ast.Unknown) else number

    def _trace(self, result: int | None) -> None:
        """Add a number to the digest. An unknown number makes it unknown."""
        if not self._inner:
            known = self.digest is not None and result is not None
            self.digest = ((self.digest or 0) * DIGEST_FACTOR + (result or 0)) % U64 if known else None

    def _trace_kfunc(self, result: int | None) -> None:
        self._trace(None if result is None else result & INT_MASK)

    # Dynptrs on the stack

    def _place(self, dynptr: int) -> tuple[_Frame, int]:
        """Return the frame and the offset of a dynptr."""
        if dynptr == ast.LOCAL:
            return self._frame, self._frame.layout.dynptrs[-1]
        return self._main, self._main.layout.dynptrs[dynptr]

    def _argument(self, dynptr: int, shift: Number) -> tuple[_Frame, int]:
        """Return the place of a dynptr that is an argument."""
        frame, offset = self._place(dynptr)
        if isinstance(shift, ast.Unknown) or shift % 8:
            self._fail(Reason.POSITION)
        self._check_stack(offset + shift, ast.DYNPTR_BYTES)
        return frame, offset + shift

    def _check_stack(self, offset: int, length: int) -> None:
        if offset < -STACK or offset + length > 0:
            self._fail(Reason.STACK_BOUNDS)

    def _handle(self, dynptr: int, shift: Number, otherwise: Reason) -> _Handle:
        """Return an initialised dynptr, or fail."""
        frame, offset = self._argument(dynptr, shift)
        first, second = frame.words.get(offset), frame.words.get(offset + 8)
        if (
            not first
            or not second
            or (first.second, second.second) != (False, True)
            or first.handle is not second.handle
            or first.handle.reservation.released
        ):
            self._fail(otherwise)
        return first.handle

    def _put(self, frame: _Frame, offset: int, handle: _Handle) -> None:
        """Put a dynptr on the stack."""
        self._overwrite(frame, offset, ast.DYNPTR_BYTES)
        for each in range(offset, offset + ast.DYNPTR_BYTES):
            frame.octets.pop(each, None)
        frame.words[offset], frame.words[offset + 8] = _Half(handle, False), _Half(handle, True)
        handle.reservation.handles += 1

    def _overwrite(self, frame: _Frame, offset: int, length: int) -> None:
        """Store into the stack: dynptrs and slices there are lost."""
        self._check_stack(offset, length)
        for word in range(offset - offset % 8, offset + length, 8):
            self._overwrite_word(frame, word)
        frame.octets.update(dict.fromkeys(range(offset, offset + length)))

    def _overwrite_word(self, frame: _Frame, word: int) -> None:
        if half := frame.words.get(word):
            reservation = half.handle.reservation
            if not reservation.released:
                reservation.handles -= 1
                if not reservation.handles:
                    self._fail(Reason.OVERWRITTEN)
            frame.words = {
                place: each for place, each in frame.words.items() if each.handle is not half.handle
            }
        if word in frame.layout.slices:
            number = ast.REGISTER_SLICES + frame.layout.slices.index(word)
            frame.slices[number] = _Pointer(overwritten=True)

    def _check_readable(self, frame: _Frame, offset: int, length: int) -> None:
        """A helper or a load reads the stack."""
        self._check_stack(offset, length)
        for word in range(offset - offset % 8, offset + length, 8):
            half = frame.words.get(word)
            if half and not half.handle.reservation.released:
                self._fail(Reason.READ_DYNPTR)

    # Slices

    def _access(self, slice_: int, offset: int, width: int, plus: ast.Unknown | None) -> tuple[_Memory, int]:
        """Return the memory and the offset in it for a load or a store."""
        pointer = self._frame.slices[slice_]
        memory = self._memory(pointer)
        place = pointer.offset + offset
        if place < 0 or place + (plus.mask if plus else 0) + width > memory.length:
            self._fail(Reason.SLICE_BOUNDS)
        return memory, place + (self._value(plus) if plus and memory.view else 0)

    def _memory(self, pointer: _Pointer) -> _Memory:
        if not pointer.memory:
            self._fail(Reason.NO_SLICE if pointer.overwritten else Reason.NULL)
        if pointer.memory.reservation.released:
            self._fail(Reason.SLICE_RELEASED)
        if not pointer.memory.checked:
            self._fail(Reason.NULL)
        return pointer.memory

    def _is_pointer(self, pointer: _Pointer) -> bool:
        """Return the result of a comparison with NULL."""
        memory = pointer.memory
        if pointer.overwritten:
            return self._chooser.choice()
        if not memory:
            return False
        if memory.checked is None:
            real = memory.view.slice(memory.start, memory.length) if memory.view else None
            memory.checked = self._chooser.choice() if real is None else real
        return memory.checked

    # Statements

    def _do_reserve(self, statement: ast.Reserve) -> None:
        frame, offset = self._argument(statement.dynptr, statement.shift)
        answer, real = None, None
        if self._ring and self._features:
            size = self._value(statement.size)
            answer, real = Dynptr.reserve(self._ring, self._features, size, statement.flags)
        reservation = _Reservation()
        self._put(frame, offset, _Handle(reservation, real))
        self._reservations.append(reservation)
        self._trace(answer)
        if statement.failed or statement.granted:
            failed = self._chooser.choice() if answer is None else answer != 0
            self._block(statement.failed if failed else statement.granted)

    def _do_release(self, statement: ast.Release) -> None:
        handle = self._handle(statement.dynptr, statement.shift, Reason.RELEASED_AGAIN)
        handle.reservation.released = True
        if handle.real:
            handle.real.release(discard=statement.discard, flags=0)

    def _do_write(self, statement: ast.Write) -> None:
        handle = self._handle(statement.dynptr, statement.shift, Reason.UNINITIALISED)
        frame, start = self._frame, self._frame.layout.buffer
        self._check_readable(frame, start, statement.length)
        if handle.real:
            offset = self._value(statement.offset)
            self._trace(handle.real.write(offset, bytes(statement.length), statement.flags))
            self._put_octets(handle.real, offset, start, statement)

    def _put_octets(self, real: Dynptr, offset: int, start: int, statement: ast.Write) -> None:
        """Repeat a successful write with the right bytes, some of which may be unknown."""
        length = statement.length
        if statement.flags or not real.slice(offset, length):
            return
        octets = [self._frame.octets.get(start + n) for n in range(length)]
        data = Octets(bytearray(each or 0 for each in octets), bytearray(each is not None for each in octets))
        assert real.record  # noqa: S101  (a null dynptr has no slice)
        real.ring.write(real.record, real.offset + offset, data)

    def _do_read(self, statement: ast.Read) -> None:
        handle = self._handle(statement.dynptr, statement.shift, Reason.UNINITIALISED)
        if statement.over is None:
            frame, start = self._frame, self._frame.layout.buffer
        else:
            frame, start = self._place(statement.over)
            start += statement.at
        self._overwrite(frame, start, statement.length)
        if handle.real:
            offset = self._value(statement.offset)
            answer, data = handle.real.read(offset, statement.length, 0)
            self._trace(answer)
            known = [n for n in range(len(data)) if data.known[n]]
            frame.octets.update({start + n: data.data[n] for n in known})

    def _do_slice(self, statement: ast.Slice) -> None:
        handle = self._handle(statement.dynptr, statement.shift, Reason.UNINITIALISED)
        if isinstance(statement.length, ast.Unknown):
            self._fail(Reason.SLICE_LENGTH)
        memory = _Memory(handle.reservation, statement.length, not statement.kfunc, None)
        if real := handle.real:
            offset = self._value(statement.offset)
            memory.checked = real.slice(offset, statement.length)
            memory.view = Dynptr(real.ring, real.features, real.record, real.offset, real.size)
            memory.start = offset
        self._set(statement.slice, _Pointer(memory))

    def _set(self, slice_: int, pointer: _Pointer) -> None:
        self._frame.slices[slice_] = pointer

    def _do_check(self, statement: ast.Check) -> None:
        valid = self._is_pointer(self._frame.slices[statement.slice])
        self._block(statement.valid if valid else statement.null)

    def _do_load(self, statement: ast.Load) -> None:
        memory, place = self._access(statement.slice, statement.offset, statement.width, statement.plus)
        if view := memory.view:
            assert view.record  # noqa: S101  (the slice is not NULL)
            start = view.offset + memory.start + place
            octets = view.ring.payload(view.record, start, statement.width)
            self._trace(int.from_bytes(octets.data, "little") if all(octets.known) else None)

    def _do_store(self, statement: ast.Store) -> None:
        memory, place = self._access(statement.slice, statement.offset, statement.width, statement.plus)
        if not memory.writable:
            self._fail(Reason.READ_ONLY)
        if view := memory.view:
            assert view.record  # noqa: S101
            data = (statement.value % U64).to_bytes(8, "little")[: statement.width]
            view.ring.write(view.record, view.offset + memory.start + place, Octets.of(data))

    def _do_copy(self, statement: ast.Copy) -> None:
        pointer = self._frame.slices[statement.source]
        if statement.plus and pointer.memory and not pointer.memory.reservation.released:
            if pointer.memory.checked is None:
                self._fail(Reason.NULL)
            pointer = _Pointer(pointer.memory, pointer.offset + self._value(statement.plus))
        self._set(statement.slice, pointer)

    def _do_overwrite(self, statement: ast.Overwrite) -> None:
        frame, offset = self._place(statement.dynptr)
        self._overwrite(frame, offset + statement.at, statement.width)

    def _do_look(self, statement: ast.Look) -> None:
        frame, offset = self._place(statement.dynptr)
        self._check_readable(frame, offset + statement.at, statement.width)

    def _do_spoil(self, statement: ast.Spoil) -> None:
        self._set(statement.slice, _Pointer(overwritten=True))

    def _do_if(self, statement: ast.If) -> None:
        if not statement.then and not statement.otherwise:
            return
        taken = self._value(ast.Unknown(statement.argument, 1))
        self._block(statement.then if taken else statement.otherwise)

    def _do_ifkept(self, statement: ast.IfKept) -> None:
        self._block(statement.then if self._kept else statement.otherwise)

    def _do_loop(self, statement: ast.Loop) -> None:
        for _ in range(self._value(statement.count)):
            self._block(statement.body)

    def _do_call(self, statement: ast.Call) -> None:
        self._frames.append(_Frame(self._program.function))
        self._function(statement.body)
        self._frames.pop()

    def _do_return(self, _statement: ast.Return) -> None:
        raise _Returned

    def _do_tailcall(self, _statement: ast.TailCall) -> None:
        self._check_leaks()  # if the call succeeds, the function does not continue

    def _do_adjust(self, statement: ast.Adjust) -> None:
        handle = self._handle(statement.dynptr, statement.shift, Reason.UNINITIALISED)
        if handle.real:
            start, end = self._value(statement.start), self._value(statement.end)
            self._trace_kfunc(handle.real.adjust(start, end))

    def _do_clone(self, statement: ast.Clone) -> None:
        source = self._handle(statement.source, 0, Reason.UNINITIALISED)
        frame, offset = self._argument(statement.dynptr, statement.shift)
        answer, real = source.real.clone() if source.real else (None, None)
        self._put(frame, offset, _Handle(source.reservation, real))
        self._trace_kfunc(answer)


class _AllPaths:
    """Enumerates all choices, the first way of each branch first."""

    def __init__(self) -> None:
        self._prefix: list[int] = []
        self._sizes: list[int] = []

    def value(self, unknown: ast.Unknown) -> int:
        """Return a small value, or one of the two limits."""
        mask = unknown.mask
        values = list(range(mask + 1)) if mask < 4 else [0, mask]
        return values[self._choose(len(values))]

    def choice(self) -> bool:
        return bool(self._choose(2))

    def _choose(self, count: int) -> int:
        self._sizes.append(count)
        if len(self._prefix) < len(self._sizes):
            self._prefix.append(0)
        return self._prefix[len(self._sizes) - 1]

    def advance(self) -> bool:
        """Go to the next path. Return False after the last one."""
        del self._prefix[len(self._sizes) :]
        while self._prefix and self._prefix[-1] + 1 == self._sizes[len(self._prefix) - 1]:
            self._prefix.pop()
        self._sizes.clear()
        if self._prefix:
            self._prefix[-1] += 1
        return bool(self._prefix)


def reasons(program: RandomProgram) -> Counter[Reason]:
    """Return why paths of a program are unsafe, with the number of paths. A safe program has none.

    Raises:
        TooManyPaths: the program was not judged.
    """
    return Counter(reason for reason in _walked(program) if reason)


def _walked(program: RandomProgram) -> Iterator[Reason | None]:
    paths = _AllPaths()
    for _ in range(MAX_PATHS):
        yield Path(program, paths).walk()
        if not paths.advance():
            return
    raise TooManyPaths


@dataclass(frozen=True)
class Arguments:
    """A chooser for a run: the arguments of the program are known."""

    numbers: tuple[int, ...]

    def value(self, unknown: ast.Unknown) -> int:
        """Return an argument under its mask."""
        return self.numbers[unknown.argument] & unknown.mask

    def choice(self) -> bool:
        """Not reached: the model decides what fails."""
        raise AssertionError("a run has no choices")


def run(program: RandomProgram, numbers: tuple[int, ...], ring: Ring, features: Features) -> int | None:
    """Run a safe program on a model of the ring. Return what BPF_PROG_RUN returns, None if it is unknown."""
    path = Path(program, Arguments(numbers), ring, features)
    assert path.walk() is None  # noqa: S101
    if not program.traced:
        return 0
    return None if path.digest is None else path.digest % (1 << 32)
