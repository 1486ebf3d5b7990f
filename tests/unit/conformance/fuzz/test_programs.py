"""Random programs, their text and their simpler forms."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from dynptr_harness.conformance.fuzz import oracle
from dynptr_harness.conformance.fuzz.compiler import compiled
from dynptr_harness.conformance.fuzz.deviations import DEVIATIONS, simpler, straight
from dynptr_harness.conformance.fuzz.oracle import TooManyPaths
from dynptr_harness.conformance.fuzz.program_generator import ProgramGenerator
from dynptr_harness.conformance.fuzz.programs import (
    STATEMENTS,
    Block,
    Call,
    Clone,
    Frame,
    If,
    IfKept,
    Loop,
    RandomProgram,
    Release,
    Reserve,
    Slice,
    Unknown,
    edited,
    listing,
    walk,
)
from dynptr_harness.core.errors import WrongUsage

COUNT = 300


@pytest.fixture(scope="module")
def programs() -> list[RandomProgram]:
    generator = ProgramGenerator(Random(1))  # noqa: S311
    return [generator.program() for _ in range(COUNT)]


def test_the_same_seed_makes_the_same_programs(programs: list[RandomProgram]) -> None:
    again = ProgramGenerator(Random(1))  # noqa: S311
    assert [again.program() for _ in range(20)] == programs[:20]
    other = ProgramGenerator(Random(2))  # noqa: S311
    assert [other.program() for _ in range(20)] != programs[:20]


def test_a_program_without_a_deviation_is_safe(programs: list[RandomProgram]) -> None:
    verdicts: Counter[tuple[bool, bool]] = Counter()
    for program in programs[:80]:
        try:
            verdicts[program.intent == "safe", bool(oracle.reasons(program))] += 1
        except TooManyPaths:
            continue
    assert not verdicts[True, True]
    assert verdicts[True, False] > 25
    assert verdicts[False, True] > 12


def test_all_statements_and_deviations_are_generated(programs: list[RandomProgram]) -> None:
    assert {each.intent for each in programs} == {"safe", *DEVIATIONS}
    names = {type(each).__name__ for program in programs for each in walk(program.body)}
    assert names == set(STATEMENTS)


def test_every_program_is_assembled_within_the_stack(programs: list[RandomProgram]) -> None:
    for program in programs[:100]:
        assert len(compiled(program)) % 8 == 0
        stack = [min(min(part) if isinstance(part, tuple) and part else 0 for part in vars(frame).values())
                 for frame in (program.main, program.function)]  # fmt: skip
        assert sum((-each + 31) // 32 * 32 for each in stack) <= 512


def test_a_replay_file_holds_the_program(programs: list[RandomProgram]) -> None:
    for program in programs[:50]:
        assert RandomProgram.from_json(program.as_json(seed=1), "x") == program


@pytest.mark.parametrize(
    "text",
    ["", "{}", '{"format": 2}', '{"format": 1, "program": {"is": "If"}}', '{"format": 1, "program": 3}'],
)
def test_another_file_is_no_replay_file(text: str) -> None:
    with pytest.raises(WrongUsage, match="x is not a replay file"):
        RandomProgram.from_json(text, "x")


def test_simpler_programs_differ_and_are_assembled(programs: list[RandomProgram]) -> None:
    program = max(programs[:50], key=lambda each: len(list(walk(each.body))))
    for candidate in simpler(program):
        assert candidate != program
        compiled(candidate)


def test_edited_replaces_one_statement() -> None:
    release = Release(0, discard=True)
    body: Block = (Reserve(0, 8), If(0, (release,), (release,)), Call((release,)))
    numbered = list(walk(body))
    assert len(numbered) == 6
    assert edited(body, 3, lambda _each: ()) == (Reserve(0, 8), If(0, (release,)), Call((release,)))
    assert edited(body, 5, lambda each: (each, each))[2] == Call((release, release))


def test_listing() -> None:
    body: Block = (Reserve(1, 8), If(2, (Release(1, discard=True),)))
    assert list(listing(body)) == [
        "Reserve dynptr=1 size=8",
        "If argument=2",
        "  then:",
        "    Release dynptr=1 discard=True",
    ]


def test_straight_takes_out_branches_on_unknown_values() -> None:
    reserve, release = Reserve(0, 8), Release(0, discard=True)
    body: Block = (If(0, (reserve,)), IfKept((release,), ()))
    assert set(straight(body)) == {(reserve, release), (reserve,), (release,), ()}
    assert list(straight((Loop(Unknown(0, 1), (release,)),))) == [(), (release,)]
    assert list(straight((Loop(2, (If(0, (release,)),)),))) == [(Loop(2, (release,)),), (Loop(2, ()),)]
    tested = Reserve(0, 8, failed=(release,), granted=(IfKept((), (release,)),))
    assert list(straight((tested,))) == [(reserve, release), (reserve,), (reserve, release)]


def test_kfuncs() -> None:
    frame = Frame((), 0, (), (), (), 0)
    assert not RandomProgram((Slice(0, 0, 0, 8),), frame, frame).kfuncs
    inner = If(0, (Slice(0, 0, 0, 8, kfunc=True), Clone(1, 0)))
    assert RandomProgram((inner,), frame, frame).kfuncs == {"bpf_dynptr_slice", "bpf_dynptr_clone"}
