"""Makes random programs. The same seed makes the same programs.

A program is generated so that it follows the rules. Every second one gets a deviation, which may or may not
make it unsafe: the oracle decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dynptr_harness.conformance.fuzz import deviations
from dynptr_harness.conformance.fuzz import programs as ast
from dynptr_harness.conformance.fuzz.programs import Frame, RandomProgram, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from dynptr_harness.conformance.fuzz.programs import Block, Number, ProgramStatement

SIZES = (0, 1, 7, 8, 13, 16, 24, 40, 64, 100, 256, 1000, 5000)
WIDTHS = (1, 2, 4, 8)
MAX_DEPTH = 2
MAX_LOOP_DEPTH = 2  # a deviation may add one
MAX_FRAME = 120  # bytes of a frame after which there are no more gaps; the two frames must fit in 512


@dataclass
class _State:
    """What holds on every path to a place.

    Attributes:
        held: dynptrs of open reservations, with the number of the reservation.
        valid: slices that are not NULL, with the number of the reservation and the length.
        hidden: dynptrs that are open on some paths only.
        read_only: slices that are for loads only, at least on some paths.
    """

    held: dict[int, int] = field(default_factory=dict)
    valid: dict[int, tuple[int, int]] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    read_only: set[int] = field(default_factory=set)
    function: bool = False
    loops: int = 0

    def copy(self) -> _State:
        return replace(
            self,
            held=dict(self.held),
            valid=dict(self.valid),
            hidden=set(self.hidden),
            read_only=set(self.read_only),
        )

    def end(self, reservation: int) -> None:
        """Forget a reservation that was released."""
        self.held = {dynptr: each for dynptr, each in self.held.items() if each != reservation}
        self.valid = {slice_: each for slice_, each in self.valid.items() if each[0] != reservation}

    @property
    def free(self) -> list[int]:
        """Dynptrs that are not in use."""
        return [each for each in range(ast.DYNPTRS + 1) if each not in self.held.keys() | self.hidden]


class ProgramGenerator:
    """Makes programs from random numbers."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._reservations = 0
        self._argument = 0

    def program(self) -> RandomProgram:
        """Return the next program."""
        random = self._random
        self._reservations = self._argument = 0
        state = _State()
        body = self._block(state, random.randint(2, 5), 0)
        body += self._release_all(state)
        program = RandomProgram(
            body,
            main=self._frame(main=True),
            function=self._frame(main=False),
            traced=random.random() < 0.3,
            frequent=random.random() < 0.4,
        )
        return deviations.plant(program, random) if random.random() < 0.5 else program

    def _frame(self, *, main: bool) -> Frame:
        """Return a frame with its variables in random order and with random gaps."""
        sizes = {
            **{f"dynptr {number}": 16 for number in range(ast.DYNPTRS * main + 1)},
            "buffer": ast.BUFFER,
            "slice 0": 8,
            "slice 1": 8,
            "counter 0": 16,
            "counter 1": 16,
            "counter 2": 16,
            **{f"pointer {number}": 8 for number in range(0 if main else ast.DYNPTRS)},
            "result": 8,
        }
        places, offset = {}, 0
        for name in self._random.sample(list(sizes), len(sizes)):
            offset -= sizes[name] + self._random.choice((0, 0, 0, 8, 16) if offset > -MAX_FRAME else (0,))
            places[name] = offset

        def all_of(kind: str) -> tuple[int, ...]:
            return tuple(places[name] for name in sizes if name.startswith(kind))

        return Frame(
            all_of("dynptr"),
            places["buffer"],
            all_of("slice"),
            all_of("counter"),
            all_of("pointer"),
            places["result"],
        )

    def _block(self, state: _State, length: int, depth: int) -> Block:
        block: list[ProgramStatement] = []
        for _ in range(length):
            block += self._statements(state, depth)
        return tuple(block)

    def _statements(self, state: _State, depth: int) -> Block:
        kinds: dict[Callable[[_State, int], Block], int] = {}
        if state.free:
            kinds |= {self._reserve: 4 if len(state.held) < 2 else 1, self._overwrite_free: 1}
        if state.held:
            kinds |= {self._release: 2, self._write: 3, self._read: 2, self._slice: 4, self._adjust: 1}
            kinds |= {self._clone: 1}
        if state.valid:
            kinds |= {self._access: 5, self._copy: 2}
        if depth < MAX_DEPTH:
            kinds |= {self._if: 3, self._kept: 2}
            if state.loops < MAX_LOOP_DEPTH:
                kinds |= {self._loop: 1}
            if not state.function:
                kinds |= {self._call: 2, self._leave: 1}
        if not state.held and not state.hidden and not state.function:
            kinds |= {self._tail_call: 1}
        (chosen,) = self._random.choices(list(kinds), list(kinds.values()))
        return chosen(state, depth)

    # Simple statements

    def _reserve(self, state: _State, depth: int) -> Block:
        dynptr = self._random.choice(state.free)
        self._reservations += 1
        state.held[dynptr] = self._reservations
        flags = int(self._random.random() < 0.05)
        statement = ast.Reserve(dynptr, self._size(), flags)
        if depth < MAX_DEPTH and self._random.random() < 0.3:
            failed, granted = self._two_blocks(state, depth)
            statement = replace(statement, failed=failed, granted=granted)
        return (statement,)

    def _size(self) -> Number:
        if self._random.random() < 0.25:
            return Unknown(self._new_argument(), self._random.choice((1, 7, 8, 31, 0xFF)))
        return self._random.choice(SIZES)

    def _offset(self, limit: int = 24) -> Number:
        if self._random.random() < 0.2:
            return Unknown(self._new_argument(), self._random.choice((1, 7, 8, 31)))
        return self._random.randrange(limit) if self._random.random() < 0.6 else 0

    def _new_argument(self) -> int:
        """Return the number of an argument that is not in use yet, as long as there are any."""
        self._argument += 1
        return (self._argument - 1) % ast.KEPT_ARGUMENT

    def _release(self, state: _State, _depth: int = 0) -> Block:
        dynptr = self._random.choice(list(state.held))
        state.end(state.held[dynptr])
        return (ast.Release(dynptr, discard=self._random.random() < 0.3),)

    def _release_all(self, state: _State) -> Block:
        block: Block = ()
        while state.held:
            block += self._release(state)
        return block

    def _write(self, state: _State, _depth: int) -> Block:
        dynptr = self._random.choice(list(state.held))
        flags = int(self._random.random() < 0.05)
        return (ast.Write(dynptr, self._offset(), self._length(), flags),)

    def _read(self, state: _State, _depth: int) -> Block:
        return (ast.Read(self._random.choice(list(state.held)), self._offset(), self._length()),)

    def _length(self) -> int:
        return self._random.choice((0, 1, 3, 4, 8, 16, 31, ast.BUFFER))

    def _overwrite_free(self, state: _State, _depth: int) -> Block:
        width = self._random.choice(WIDTHS)
        at = self._random.randrange(0, ast.DYNPTR_BYTES, width)
        return (ast.Overwrite(self._random.choice(state.free), at, width),)

    def _adjust(self, state: _State, _depth: int) -> Block:
        if self._random.random() < 0.7:
            return ()
        start = self._random.choice((0, 0, 1, 4, 8))
        return (
            ast.Adjust(self._random.choice(list(state.held)), start, start + self._random.choice(SIZES[:8])),
        )

    def _clone(self, state: _State, _depth: int) -> Block:
        if not state.free or self._random.random() < 0.6:
            return ()
        dynptr, source = self._random.choice(state.free), self._random.choice(list(state.held))
        state.held[dynptr] = state.held[source]
        return (ast.Clone(dynptr, source),)

    def _tail_call(self, _state: _State, _depth: int) -> Block:
        return (ast.TailCall(),) if self._random.random() < 0.3 else ()

    # Slices

    def _slice(self, state: _State, depth: int) -> Block:
        slice_ = self._random.randrange(ast.SLICES)
        dynptr = self._random.choice(list(state.held))
        length = self._random.choice((1, 4, 8, 16, 24))
        state.valid.pop(slice_, None)
        before = state.copy()
        kfunc = self._random.random() < 0.2
        state.valid[slice_] = (state.held[dynptr], length)
        state.read_only.discard(slice_)
        state.read_only |= {slice_} if kfunc else set()
        valid = self._access(state, depth)
        if depth < MAX_DEPTH:
            valid += self._block(state, self._random.randint(0, 2), depth + 1)
        null: Block = ()
        if depth < MAX_DEPTH and self._random.random() < 0.3:
            null = self._block(before, self._random.randint(0, 1), depth + 1)
        valid, null = self._joined((state, valid), (before, null))
        get = ast.Slice(slice_, dynptr, self._offset(9), length, kfunc=kfunc)
        return (get, ast.Check(slice_, valid, null))

    def _access(self, state: _State, _depth: int) -> Block:
        slice_ = self._random.choice(list(state.valid))
        length = state.valid[slice_][1]
        width = self._random.choice([each for each in WIDTHS if each <= length])
        plus, room = None, length - width
        masks = [mask for mask in (1, 3, 7, 8) if mask <= room]
        if masks and self._random.random() < 0.3:
            plus = Unknown(self._new_argument(), self._random.choice(masks))
            room -= plus.mask
        offset = self._random.choice((0, room, self._random.randint(0, room)))
        if slice_ in state.read_only or self._random.random() < 0.5:
            return (ast.Load(slice_, offset, width, plus),)
        return (ast.Store(slice_, offset, width, self._random.randrange(1 << 7), plus),)

    def _copy(self, state: _State, _depth: int) -> Block:
        source, slice_ = self._random.choice(list(state.valid)), self._random.randrange(ast.SLICES)
        reservation, length = state.valid[source]
        plus = None
        masks = [mask for mask in (1, 3, 7) if mask < length]
        if masks and self._random.random() < 0.4:
            plus = Unknown(self._new_argument(), self._random.choice(masks))
            length -= plus.mask
        state.valid[slice_] = (reservation, length)
        if source in state.read_only:
            state.read_only.add(slice_)
        return (ast.Copy(slice_, source, plus),)

    # Statements with blocks

    def _two_blocks(self, state: _State, depth: int) -> tuple[Block, Block]:
        """Return two blocks for a branch. After each the same holds."""
        other = state.copy()
        first = self._block(state, self._random.randint(0, 3), depth + 1)
        second = self._block(other, self._random.randint(0, 2), depth + 1)
        return self._joined((state, first), (other, second))

    def _joined(self, first: tuple[_State, Block], second: tuple[_State, Block]) -> tuple[Block, Block]:
        """Append releases to both blocks until their states agree. The first state is then the one after."""
        (state, block), (other, alternative) = first, second
        block += self._release_where(state, [each for each in state.held if each not in other.held])
        alternative += self._release_where(other, [each for each in other.held if each not in state.held])
        while _groups(state) != _groups(other):
            block += self._release_where(state, list(state.held))
            alternative += self._release_where(other, list(other.held))
        # a slice is valid after the branch if it is valid after both blocks
        both = {
            slice_: (reservation, min(length, other.valid[slice_][1]))
            for slice_, (reservation, length) in state.valid.items()
            if slice_ in other.valid and other.valid[slice_][0] == reservation
        }
        state.read_only |= other.read_only
        state.valid = {slice_: each for slice_, each in both.items() if each[0] in state.held.values()}
        return block, alternative

    def _release_where(self, state: _State, dynptrs: list[int]) -> Block:
        block: Block = ()
        for dynptr in dynptrs:
            if dynptr in state.held:
                state.end(state.held[dynptr])
                block += (ast.Release(dynptr, discard=self._random.random() < 0.3),)
        return block

    def _if(self, state: _State, depth: int) -> Block:
        argument = self._new_argument()
        then, otherwise = self._two_blocks(state, depth)
        return (ast.If(argument, then, otherwise),)

    def _kept(self, state: _State, depth: int) -> Block:
        """A branch on the kept bit, or two. Between the two, the state of a dynptr depends on the bit."""
        if not state.free or self._random.random() < 0.3:
            return (ast.IfKept(*self._two_blocks(state, depth)),)
        dynptr = self._random.choice(state.free)
        state.hidden.add(dynptr)
        middle = self._block(state, self._random.randint(0, 3), depth + 1)
        state.hidden.remove(dynptr)
        reserve = (ast.Reserve(dynptr, self._size()),)
        release = (ast.Release(dynptr, discard=self._random.random() < 0.5),)
        if self._random.random() < 0.5:
            return (ast.IfKept(reserve), *middle, ast.IfKept(release))
        return (ast.IfKept((), reserve), *middle, ast.IfKept((), release))

    def _loop(self, state: _State, depth: int) -> Block:
        before = state.copy()
        state.loops += 1
        # slices that a repetition would find in another state
        state.valid = {}
        body = self._block(state, self._random.randint(1, 3), depth + 1)
        body += self._release_where(state, [each for each in state.held if each not in before.held])
        state.loops -= 1
        if state.held != before.held:  # the body released or replaced what was open before: run it once
            return body
        state.valid = {}
        count: Number = self._random.randint(1, 4)
        if self._random.random() < 0.4:
            count = Unknown(self._new_argument(), 3)
        return (ast.Loop(count, body),)

    def _call(self, state: _State, depth: int) -> Block:
        local = state.held.pop(ast.LOCAL, None)  # the function has another one
        inner = _State(dict(state.held), {}, set(state.hidden), function=True)
        body = self._block(inner, self._random.randint(1, 4), depth + 1)
        body += self._release_where(inner, [ast.LOCAL])
        if local is not None and (local in inner.held.values() or local not in state.held.values()):
            inner.held[ast.LOCAL] = local
        for reservation in set(state.held.values()) - set(inner.held.values()):
            state.end(reservation)
        state.held = inner.held
        return (ast.Call(body),)

    def _leave(self, state: _State, depth: int) -> Block:
        """A branch that ends the program."""
        if state.loops or state.hidden or self._random.random() < 0.5:
            return ()
        leaving = state.copy()
        then = self._block(leaving, self._random.randint(0, 2), depth + 1)
        return (ast.If(self._new_argument(), (*then, *self._release_all(leaving), ast.Return())),)


def _groups(state: _State) -> set[frozenset[int]]:
    """Return the dynptrs of each reservation."""
    return {
        frozenset(dynptr for dynptr, each in state.held.items() if each == reservation)
        for reservation in state.held.values()
    }
