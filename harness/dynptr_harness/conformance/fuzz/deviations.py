"""Changes a program at one place, so that it may break a rule. Also lists simpler forms of a program."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.fuzz import programs as ast
from dynptr_harness.conformance.fuzz.programs import RandomProgram, Unknown, blocks_of, edited, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from dynptr_harness.conformance.fuzz.programs import Block, ProgramStatement

ATTEMPTS = 30
WIDTHS = (1, 2, 4, 8)
MAX_UNROLLED = 4  # repetitions


def plant(program: RandomProgram, random: Random) -> RandomProgram:
    """Return the program with one deviation, whose name is then the intent. It may fit nowhere."""
    statements = list(walk(program.body))
    for _ in range(ATTEMPTS):
        name = random.choice(list(DEVIATIONS))
        for number in random.sample(range(len(statements)), len(statements)):
            changed = DEVIATIONS[name](statements[number], random)
            if changed is None:
                continue
            body = edited(program.body, number, _always(changed))
            if _is_possible(body):
                return replace(program, body=body, intent=name)
    return program


def _always(block: Block) -> Callable[[ProgramStatement], Block]:
    return lambda _statement: block


def _is_possible(body: Block) -> bool:
    """Return False for calls in functions.

    The stacks of three functions may not fit in 512 bytes, and tail calls in functions need BTF.
    """
    calls = [each for each in walk(body) if isinstance(each, ast.Call)]
    return not any(isinstance(each, ast.Call | ast.TailCall) for call in calls for each in walk(call.body))


def _delete(_statement: ProgramStatement, _random: Random) -> Block | None:
    return ()


def _unwrap(statement: ProgramStatement, random: Random) -> Block | None:
    """Run one of the inner blocks without the branch."""
    inner = [block for block in blocks_of(statement).values() if block]
    if not inner or isinstance(statement, ast.Call):
        return None
    return random.choice(inner)


def _move_inside(statement: ProgramStatement, _random: Random) -> Block | None:
    """Run the statement on one side of a branch only."""
    if isinstance(statement, ast.Release | ast.Reserve):
        return (ast.If(0, (statement,)),)
    return None


def _repeat(statement: ProgramStatement, random: Random) -> Block | None:
    if isinstance(statement, ast.Return):
        return None
    return (
        (ast.Loop(2, (statement,)),) if _is_simple(statement) and random.random() < 0.5 else (statement,) * 2
    )


def _is_simple(statement: ProgramStatement) -> bool:
    return not blocks_of(statement)


def _other_dynptr(statement: ProgramStatement, random: Random) -> Block | None:
    if not hasattr(statement, "dynptr"):
        return None
    others = [each for each in range(ast.DYNPTRS + 1) if each != statement.dynptr]
    return (_with(statement, dynptr=random.choice(others)),)


def _other_slice(statement: ProgramStatement, random: Random) -> Block | None:
    if not hasattr(statement, "slice") or isinstance(statement, ast.Spoil):
        return None
    return (_with(statement, slice=random.randrange(ast.SLICES)),)


def _shift(statement: ProgramStatement, random: Random) -> Block | None:
    if not hasattr(statement, "shift"):
        return None
    shift = random.choice((8, -8, 4, 1, -4, Unknown(1, 8), Unknown(2, 16)))
    return (_with(statement, shift=shift),)


def _access(statement: ProgramStatement, random: Random) -> Block | None:
    """Access a slice beyond its bounds, often by little."""
    if not isinstance(statement, ast.Load | ast.Store):
        return None
    if random.random() < 0.3:
        return (replace(statement, plus=Unknown(3, random.choice((1, 7, 8, 31, 0xFF)))),)
    return (replace(statement, offset=statement.offset + random.choice((-9, -1, 1, 4, 8, 16))),)


def _kfunc_slice(statement: ProgramStatement, _random: Random) -> Block | None:
    """Get the slice from the other function. This alone changes nothing."""
    return (replace(statement, kfunc=not statement.kfunc),) if isinstance(statement, ast.Slice) else None


def _slice_length(statement: ProgramStatement, random: Random) -> Block | None:
    if not isinstance(statement, ast.Slice) or not isinstance(statement.length, int):
        return None
    length = random.choice((0, statement.length - 1, statement.length // 2, Unknown(4, 31)))
    return (replace(statement, length=length),)


def _length(statement: ProgramStatement, random: Random) -> Block | None:
    """Read or write more than the buffer holds."""
    if not isinstance(statement, ast.Read | ast.Write):
        return None
    return (replace(statement, length=random.choice((33, 40, 48, 64, 100, 500))),)


def _over_dynptr(statement: ProgramStatement, random: Random) -> Block | None:
    if not isinstance(statement, ast.Read):
        return None
    at = random.choice((0, 8, 4, -4, 12, 15))
    return (replace(statement, over=random.randrange(ast.DYNPTRS + 1), at=at),)


def _insert(make: Callable[[Random], ProgramStatement]) -> Callable[[ProgramStatement, Random], Block | None]:
    """Return a deviation that puts a statement before or after another one."""

    def change(statement: ProgramStatement, random: Random) -> Block | None:
        added = make(random)
        if isinstance(statement, ast.Return) or random.random() < 0.5:
            return (added, statement)
        return (statement, added)

    return change


def _overwrite(random: Random) -> ProgramStatement:
    width = random.choice(WIDTHS)
    return ast.Overwrite(
        random.randrange(ast.DYNPTRS + 1), random.randrange(0, ast.DYNPTR_BYTES, width), width
    )


def _look(random: Random) -> ProgramStatement:
    store = _overwrite(random)
    return ast.Look(**{each.name: getattr(store, each.name) for each in fields(store)})


def _spoil(random: Random) -> ProgramStatement:
    width = random.choice(WIDTHS)
    return ast.Spoil(random.choice((2, 3)), random.randrange(0, 8, width), width)


def _use(random: Random) -> ProgramStatement:
    dynptr = random.randrange(ast.DYNPTRS + 1)
    return random.choice(
        (
            ast.Release(dynptr, discard=True),
            ast.Write(dynptr, 0, 4),
            ast.Read(dynptr, 0, 4),
            ast.Slice(0, dynptr, 0, 8),
        )
    )


def _touch(random: Random) -> ProgramStatement:
    slice_ = random.randrange(ast.SLICES)
    if random.random() < 0.4:
        return ast.Copy(slice_, random.randrange(ast.SLICES), random.choice((None, Unknown(5, 3))))
    return ast.Load(slice_, random.choice((0, 0, 1, 4)), random.choice(WIDTHS))


def _reserve(random: Random) -> ProgramStatement:
    return ast.Reserve(random.randrange(ast.DYNPTRS + 1), 8)


def _return(random: Random) -> ProgramStatement:
    return random.choice((ast.Return(), ast.If(6, (ast.Return(),))))


def _move_to_function(statement: ProgramStatement, _random: Random) -> Block | None:
    """Run a statement in a function, where slices and the local dynptr are others."""
    return (
        None if any(isinstance(each, ast.Call) for each in walk((statement,))) else (ast.Call((statement,)),)
    )


DEVIATIONS: dict[str, Callable[[ProgramStatement, Random], Block | None]] = {
    "statement left out": _delete,
    "branch left out": _unwrap,
    "statement on one path only": _move_inside,
    "statement repeated": _repeat,
    "other dynptr": _other_dynptr,
    "other slice": _other_slice,
    "address moved": _shift,
    "access moved": _access,
    "slice of the other function": _kfunc_slice,
    "other length of a slice": _slice_length,
    "long read or write": _length,
    "read over a dynptr": _over_dynptr,
    "store over a dynptr": _insert(_overwrite),
    "load of a dynptr": _insert(_look),
    "store over a slice": _insert(_spoil),
    "use of a dynptr": _insert(_use),
    "use of a slice": _insert(_touch),
    "reservation": _insert(_reserve),
    "clone": _insert(lambda random: ast.Clone(random.randrange(4), random.randrange(4))),
    "early return": _insert(_return),
    "tail call": _insert(lambda _random: ast.TailCall()),
    "statement in a function": _move_to_function,
}


def _with(statement: ProgramStatement, **values: Any) -> ProgramStatement:
    return replace(statement, **values)


def simpler(program: RandomProgram) -> Iterator[RandomProgram]:
    """Yield programs with less in them, those that lack most first."""
    statements = list(walk(program.body))
    for number, statement in enumerate(statements):
        for block in _simpler(statement):
            if block != (statement,):
                yield replace(program, body=edited(program.body, number, _always(block)))
    if program.traced:
        yield replace(program, traced=False)
    if program.frequent:
        yield replace(program, frequent=False)


def _simpler(statement: ProgramStatement) -> Iterator[Block]:
    yield ()
    inner = blocks_of(statement)
    for block in inner.values():
        if block and not isinstance(statement, ast.Call):
            yield block
    if isinstance(statement, ast.Reserve) and (statement.failed or statement.granted):
        plain = replace(statement, failed=(), granted=())
        yield (plain, *statement.failed)
        yield (plain, *statement.granted)
    for each in fields(statement):
        value = getattr(statement, each.name)
        for less in _less(each.name, value):
            yield (_with(statement, **{each.name: less}),)


def _less(name: str, value: Any) -> Iterator[Any]:
    """Yield simpler values of a field."""
    if isinstance(value, Unknown):
        if name == "plus":
            yield None
        yield value.mask if name != "plus" else Unknown(value.argument, 1)
    elif (
        isinstance(value, int)
        and not isinstance(value, bool)
        and name in {"offset", "length", "flags", "shift", "value", "count", "start"}
    ):
        if value > 0:
            yield from dict.fromkeys((0, value // 2, value - 1))
    elif name == "size" and isinstance(value, int) and value not in (0, 8):
        yield 8


def straight(block: Block) -> Iterator[Block]:
    """Yield the block once for each combination of ways, with the branches on unknown values taken out.

    Branches on NULL remain, because a slice cannot be used without them.
    """
    for parts in product(*(list(_ways(statement)) for statement in block)):
        yield tuple(statement for part in parts for statement in part)


def _ways(statement: ProgramStatement) -> Iterator[Block]:
    match statement:
        case ast.If() | ast.IfKept():
            yield from straight(statement.then)
            yield from straight(statement.otherwise)
        case ast.Reserve(failed=failed, granted=granted) if failed or granted:
            plain = replace(statement, failed=(), granted=())
            yield from ((plain, *rest) for way in (failed, granted) for rest in straight(way))
        case ast.Loop(count=Unknown(mask=mask)) if mask < MAX_UNROLLED:
            for count in range(mask + 1):
                yield from straight(statement.body * count)
        case ast.Loop() | ast.Call():
            yield from ((replace(statement, body=body),) for body in straight(statement.body))
        case _:
            yield (statement,)
