"""Random sequences: the same for the same seed, valid, and wide enough to reach every rule of the model."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from dynptr_harness.conformance.fuzz.coverage import Coverage
from dynptr_harness.conformance.fuzz.generator import Generator
from dynptr_harness.conformance.fuzz.sequence import Sequence, Setting
from dynptr_harness.conformance.model.features import Features, documented
from dynptr_harness.protocol.kfuncs import KFUNCS
from dynptr_harness.protocol.structs import StepStruct

SETTING = Setting("RAW_TRACEPOINT", frozenset(KFUNCS), documented((7, 3)))
CHUNKS = 12


def sequences(seed: int, chunks: int = 1, setting: Setting = SETTING) -> list[Sequence]:
    generator = Generator(random.Random(seed), setting)  # noqa: S311
    return [sequence for _ in range(chunks) for sequence in generator.chunk()]


@cache
def reached() -> Coverage:
    coverage = Coverage()
    for sequence in sequences(1, CHUNKS):
        model = sequence.model(Features(), SETTING.kfuncs, 8 * sequence.ring_size)
        for act in sequence.acts:
            coverage.note(model, act, model.perform(act))
    return coverage


def test_a_seed_determines_the_sequences() -> None:
    assert sequences(7) == sequences(7)
    assert sequences(7) != sequences(8)


def test_every_sequence_can_be_performed() -> None:
    assert all(sequence.is_valid(SETTING) for sequence in sequences(2, 4))


def test_a_kfunc_that_the_kernel_lacks_is_not_called() -> None:
    setting = Setting("RAW_TRACEPOINT", frozenset(KFUNCS) - {"bpf_dynptr_copy"}, documented((6, 12)))
    ops = {access["op"] for sequence in sequences(3, 12, setting) for access in accesses(sequence)}
    assert "adjust" in ops
    assert "copy" not in ops


def accesses(sequence: Sequence) -> list[dict[str, Any]]:
    steps = [step for act in sequence.acts for step in act.get("steps", [])]
    return [access for step in steps for access in step["accesses"]]


def test_every_step_fits_the_structure_of_the_program() -> None:
    for sequence in sequences(4, 4):
        for act in sequence.acts:
            for step in act.get("steps", []) + ([act["step"]] if "step" in act else []):
                assert len(bytes(StepStruct.of(step))) > 0


# Actions, answers and states that a minute of random testing must reach; negative numbers are errnos.
REACHED = {
    *("action event", "action held", "action consume", "action peek"),
    *("action poll", "action seek", "action watch", "action wait"),
    *("reserve 0", "reserve -22", "reserve -7", "submit", "discard", "fill 0", "fill -22"),
    *("write 0", "write -22", "write -7", "read 0", "read -22", "read -7", "slice 0", "slice positive"),
    *("slice-write 0", "slice-write positive", "query 0", "query positive"),
    *("plain-output 0", "plain-output -11", "plain-output -22", "plain-reserve 0", "plain-reserve positive"),
    *("size positive", "size -22", "is-null 0", "is-null positive", "is-rdonly 0"),
    *("adjust 0", "adjust -22", "adjust -34", "copy 0", "copy -22", "copy -7", "memset 0", "memset -7"),
    *("kfunc-slice 0", "kfunc-slice positive", "buffer-slice 0", "buffer-slice positive"),
    *("wait 0", "wait 1", "poll 0", "poll 1"),
    *("ring empty", "ring full", "record across the end", "consumer ahead"),
}


@pytest.mark.parametrize("name", sorted(REACHED))
def test_random_sequences_reach(name: str) -> None:
    assert reached().counts[name] > 0
