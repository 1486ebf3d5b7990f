"""Small programs as trees of statements. compiler.py translates them, oracle.py judges them.

A program has dynptrs on its stack (0 to 2, and `LOCAL` in each function's own frame), slices (0 and 1 in
registers, 2 and 3 on the stack), a buffer, and a bit that is drawn at the start and kept in a register.
Unknown values are arguments of the raw tracepoint. Each index is one argument.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARGUMENTS = 12  # MAX_BPF_FUNC_ARGS
KEPT_ARGUMENT = 11  # its lowest bit is the kept bit
DYNPTRS = 3
LOCAL = 3  # a dynptr in the frame of the function that uses it
SLICES, REGISTER_SLICES = 4, 2
BUFFER = 32  # bytes of the buffer
DYNPTR_BYTES = 16
KFUNCS = ("bpf_dynptr_adjust", "bpf_dynptr_clone", "bpf_dynptr_slice")
FORMAT = 1  # of a replay file


@dataclass(frozen=True)
class Unknown:
    """A value that the verifier does not know: an argument of the program, with a mask."""

    argument: int
    mask: int


Number: TypeAlias = int | Unknown


@dataclass(frozen=True)
class ProgramStatement:
    """A statement."""


Block: TypeAlias = tuple[ProgramStatement, ...]


@dataclass(frozen=True)
class Reserve(ProgramStatement):
    """bpf_ringbuf_reserve_dynptr. One of the blocks follows. `shift` moves the dynptr's address."""

    dynptr: int
    size: Number
    flags: int = 0
    shift: Number = 0
    failed: Block = ()
    granted: Block = ()


@dataclass(frozen=True)
class Release(ProgramStatement):
    """bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr."""

    dynptr: int
    discard: bool
    shift: Number = 0


@dataclass(frozen=True)
class Write(ProgramStatement):
    """bpf_dynptr_write from the buffer."""

    dynptr: int
    offset: Number
    length: int
    flags: int = 0
    shift: Number = 0


@dataclass(frozen=True)
class Read(ProgramStatement):
    """bpf_dynptr_read into the buffer, or over the bytes of a dynptr from `at` on."""

    dynptr: int
    offset: Number
    length: int
    over: int | None = None
    at: int = 0
    shift: Number = 0


@dataclass(frozen=True)
class Slice(ProgramStatement):
    """bpf_dynptr_data, or bpf_dynptr_slice without a buffer, which is for loads only."""

    slice: int
    dynptr: int
    offset: Number
    length: Number
    shift: Number = 0
    kfunc: bool = False


@dataclass(frozen=True)
class Check(ProgramStatement):
    """A comparison of a slice with NULL."""

    slice: int
    valid: Block
    null: Block = ()


@dataclass(frozen=True)
class Load(ProgramStatement):
    """A load through a slice."""

    slice: int
    offset: int
    width: int
    plus: Unknown | None = None


@dataclass(frozen=True)
class Store(ProgramStatement):
    """A store through a slice."""

    slice: int
    offset: int
    width: int
    value: int
    plus: Unknown | None = None


@dataclass(frozen=True)
class Copy(ProgramStatement):
    """A copy of a slice, moved by an unknown number."""

    slice: int
    source: int
    plus: Unknown | None = None


@dataclass(frozen=True)
class Overwrite(ProgramStatement):
    """A store into the bytes of a dynptr."""

    dynptr: int
    at: int
    width: int


@dataclass(frozen=True)
class Look(ProgramStatement):
    """A load from the bytes of a dynptr."""

    dynptr: int
    at: int
    width: int


@dataclass(frozen=True)
class Spoil(ProgramStatement):
    """A store over a part of a slice on the stack."""

    slice: int
    at: int
    width: int


@dataclass(frozen=True)
class If(ProgramStatement):
    """A branch on the lowest bit of an argument."""

    argument: int
    then: Block
    otherwise: Block = ()


@dataclass(frozen=True)
class IfKept(ProgramStatement):
    """A branch on the kept bit."""

    then: Block
    otherwise: Block = ()


@dataclass(frozen=True)
class Loop(ProgramStatement):
    """A bounded loop."""

    count: Number
    body: Block


@dataclass(frozen=True)
class Call(ProgramStatement):
    """A call of a static function. It gets pointers to the dynptrs. It has its own slices and buffer."""

    body: Block


@dataclass(frozen=True)
class Return(ProgramStatement):
    """A return from the function."""


@dataclass(frozen=True)
class TailCall(ProgramStatement):
    """bpf_tail_call with an empty array: at run time it fails."""


@dataclass(frozen=True)
class Adjust(ProgramStatement):
    """bpf_dynptr_adjust."""

    dynptr: int
    start: Number
    end: Number
    shift: Number = 0


@dataclass(frozen=True)
class Clone(ProgramStatement):
    """bpf_dynptr_clone from `source`."""

    dynptr: int
    source: int
    shift: Number = 0


STATEMENTS = {each.__name__: each for each in ProgramStatement.__subclasses__()}
METHODS = {each: f"_do_{name.lower()}" for name, each in STATEMENTS.items()}  # in classes that handle them


@dataclass(frozen=True)
class Frame:
    """Where a function has its variables: offsets from the frame pointer, all multiples of 8."""

    dynptrs: tuple[int, ...]  # in main 0 to LOCAL; in other functions LOCAL only, at index 0
    buffer: int
    slices: tuple[int, ...]  # of those on the stack
    counters: tuple[int, ...]  # of loops by depth, 16 bytes each
    pointers: tuple[int, ...]  # to the dynptrs of main; only in other functions
    result: int


@dataclass(frozen=True)
class RandomProgram:
    """A program.

    Attributes:
        traced: the return value is a digest of what helpers return and of what is loaded.
        frequent: load with BPF_F_TEST_STATE_FREQ, so that the verifier compares states often.
        intent: 'safe', or the deviation that was planted.
    """

    body: Block
    main: Frame
    function: Frame
    traced: bool = False
    frequent: bool = False
    intent: str = "safe"

    @property
    def kfuncs(self) -> frozenset[str]:
        """The kfuncs that the program calls."""
        adjust, clone, slice_ = KFUNCS
        names = {Adjust: adjust, Clone: clone}
        called = {names[type(each)] for each in walk(self.body) if type(each) in names}
        sliced = any(isinstance(each, Slice) and each.kfunc for each in walk(self.body))
        return frozenset(called | ({slice_} if sliced else set()))

    def as_json(self, **more: Any) -> str:
        """Return the text of a replay file."""
        return json.dumps({"format": FORMAT, **more, "program": _encoded(self)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str) -> RandomProgram:
        """Return the program of a replay file.

        Raises:
            WrongUsage: the text is not a replay file.
        """
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}")
            program = _decoded(document["program"])
            if not isinstance(program, RandomProgram):
                raise TypeError("no program")
            return program
        except (ValueError, KeyError, TypeError) as error:
            raise WrongUsage(
                f"{name} is not a replay file of a program: {error}", "give a file that this command wrote"
            ) from error


_CODED: dict[str, type[Any]] = {
    **STATEMENTS,
    "Unknown": Unknown,
    "Frame": Frame,
    "RandomProgram": RandomProgram,
}


def _encoded(part: Any) -> Any:
    if isinstance(part, tuple):
        return [_encoded(each) for each in part]
    name = type(part).__name__
    if name in _CODED:
        return {"is": name, **{each.name: _encoded(getattr(part, each.name)) for each in fields(part)}}
    return part


def _decoded(part: Any) -> Any:
    if isinstance(part, list):
        return tuple(map(_decoded, part))
    if isinstance(part, dict):
        return _CODED[part["is"]](**{key: _decoded(each) for key, each in part.items() if key != "is"})
    return part


def blocks_of(statement: ProgramStatement) -> dict[str, Block]:
    """Return the blocks inside a statement by field."""
    parts = {each.name: getattr(statement, each.name) for each in fields(statement)}
    return {name: part for name, part in parts.items() if isinstance(part, tuple)}


def walk(block: Block) -> Iterator[ProgramStatement]:
    """Yield every statement, outer before inner."""
    for statement in block:
        yield statement
        for inner in blocks_of(statement).values():
            yield from walk(inner)


def edited(block: Block, number: int, change: Callable[[ProgramStatement], Block]) -> Block:
    """Return the block with one statement replaced.

    Args:
        number: of the statement in the order of `walk`.
        change: returns what replaces it.
    """
    result: list[ProgramStatement] = []
    for statement in block:
        size = 1 + sum(len(list(walk(inner))) for inner in blocks_of(statement).values())
        if number == 0:
            result += change(statement)
        elif 0 < number < size:
            result.append(_edited_inside(statement, number - 1, change))
        else:
            result.append(statement)
        number -= size
    return tuple(result)


def _edited_inside(
    statement: ProgramStatement, number: int, change: Callable[[ProgramStatement], Block]
) -> ProgramStatement:
    parts: dict[str, Any] = {}
    for name, inner in blocks_of(statement).items():
        parts[name] = edited(inner, number, change)
        number -= len(list(walk(inner)))
    return replace(statement, **parts)


def listing(block: Block, indent: str = "") -> Iterator[str]:
    """Yield the statements as lines of text."""
    for statement in block:
        inner = blocks_of(statement)
        words = [
            f"{each.name}={_text(getattr(statement, each.name))}"
            for each in fields(statement)
            if each.name not in inner and getattr(statement, each.name) != each.default
        ]
        yield f"{indent}{type(statement).__name__} {' '.join(words)}".rstrip()
        for name, each in inner.items():
            if each:
                yield f"{indent}  {name}:"
                yield from listing(each, indent + "    ")


def _text(value: Any) -> str:
    return f"argument{value.argument}&{value.mask:#x}" if isinstance(value, Unknown) else str(value)
