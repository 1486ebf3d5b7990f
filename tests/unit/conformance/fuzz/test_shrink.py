"""Differences are found, reduced to the smallest sequence, and can be replayed."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from dynptr_harness.conformance.fuzz.generator import Generator
from dynptr_harness.conformance.fuzz.sequence import Sequence, Setting
from dynptr_harness.conformance.fuzz.shrink import candidates, shrink
from dynptr_harness.conformance.model.features import Features, documented
from dynptr_harness.conformance.model.octets import Octets
from dynptr_harness.conformance.model.ring import Ring
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.protocol.kfuncs import KFUNCS

SMALL = 8192
KERNEL = frozenset(KFUNCS)
SETTING = Setting("RAW_TRACEPOINT", KERNEL, documented((7, 3)))


def as_text(reply: Any) -> Any:
    """Return a reply of the model as an agent sends it."""
    if isinstance(reply, Octets):
        return reply.data.hex()
    if isinstance(reply, dict):
        return {key: as_text(part) for key, part in reply.items()}
    return [as_text(part) for part in reply] if isinstance(reply, list) else reply


def replies(sequence: Sequence, features: Features) -> list[dict[str, Any]]:
    """Return the replies of a kernel with these features, on a new ring."""
    model = sequence.model(features, KERNEL)
    return [as_text(model.perform(act)) for act in ({"act": "peek"}, *sequence.acts)]


def sequences(chunks: int) -> list[Sequence]:
    """Return sequences on small rings, which are quick to predict."""
    generator = Generator(random.Random(5), SETTING)  # noqa: S311
    found = (each for _ in range(chunks) for each in generator.chunk() if each.ring_size <= SMALL)
    return [replace(each, new_ring=True) for each in found]


def test_a_correct_kernel_has_no_difference() -> None:
    for sequence in sequences(4):
        assert sequence.differences(SETTING, replies(sequence, Features())) == []


@pytest.mark.parametrize("name", ["bounds_first", "wide_offsets"])
def test_an_older_behaviour_is_a_difference_on_a_new_kernel_only(name: str) -> None:
    older = replace(Features(), **{name: False})
    wrong = [each for each in sequences(4) if each.differences(SETTING, replies(each, older))]
    assert wrong
    old = Setting("RAW_TRACEPOINT", KERNEL, documented((6, 1)))
    assert not any(each.differences(old, replies(each, older)) for each in wrong)


class OffByOne(Ring):
    """A defective ring that keeps too many bytes free."""

    def reserve(self, size: int) -> Any:
        full = self.producer + (size + 15) // 8 * 8 - self.consumer > self.size - 16
        return None if full else super().reserve(size)


def seen_with_defect(sequence: Sequence) -> list[dict[str, Any]]:
    model = sequence.model(Features(), KERNEL)
    model.ring = OffByOne(sequence.ring_size)
    return [as_text(model.perform(act)) for act in ({"act": "peek"}, *sequence.acts)]


async def fails(sequence: Sequence) -> bool:
    return bool(sequence.differences(SETTING, seen_with_defect(sequence)))


def test_a_difference_is_reduced_until_nothing_can_be_left_out() -> None:
    unmoved = (each for each in sequences(8) if all(act["act"] != "seek" for act in each.acts))
    found = next(each for each in unmoved if asyncio.run(fails(each)))
    small = asyncio.run(shrink(found, fails, lambda each: each.is_valid(SETTING), attempts=2000))
    assert small.is_valid(SETTING)
    assert asyncio.run(fails(small))
    assert len(small.acts) < len(found.acts)
    simpler = [each for each in candidates(small) if each.is_valid(SETTING)]
    assert not any(asyncio.run(fails(each)) for each in simpler)


def test_a_replay_file_has_the_sequence() -> None:
    (sequence, *_) = sequences(1)
    again, document = Sequence.from_json(sequence.as_json(seed=5), "a file")
    assert again == sequence
    assert document["seed"] == 5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "acts": 3}'])
def test_anything_else_is_not_a_replay_file(text: str) -> None:
    with pytest.raises(WrongUsage, match=r"r\.json is not a replay file"):
        Sequence.from_json(text, "r.json")
