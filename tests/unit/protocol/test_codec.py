"""Steps and outcomes on the wire have the layout of bpf_src/include/dynptr_harness.h."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from dynptr_harness.conformance.experiments.script import Access, Event, Held, Peek, Reserve, Script, Step
from dynptr_harness.protocol.codec import packed, unpacked

# struct step and struct outcome, field by field
STEP = struct.Struct("<" + 3 * "4Q" + "IIQ" + 6 * "IHHQQQ" + "64s")
OUTCOME = struct.Struct("<3q 6q q q" + 7 * "3q" + 6 * "64s")
UNSET = -(1 << 40)
NUMBERS = 32  # in an outcome, before the data

NO_SLOT, NO_ACCESS = (0xFFFFFFFF, 0, 0, 0), (0, 0, 0, 0, 0, 0)
STEPS: list[tuple[str, Step, tuple[Any, ...]]] = [
    ("nothing", Step(()), (*NO_SLOT * 3, 0, 0, 0, *NO_ACCESS * 6, b"")),
    (
        "every field of a slot",
        Step((Reserve(1 << 33, flags=7, release="discard", release_flags=2),)),
        (1 << 33, 7, 1, 2, *NO_SLOT * 2, 0, 0, 0, *NO_ACCESS * 6, b""),
    ),
    (
        "every field of an access, and a payload",
        Step((Reserve(8),), (Access("rdwr-slice", 0, 3, 1 << 32, 5, slot=2, source=9),), b"abc"),
        (8, 0, 0, 0, *NO_SLOT * 2, 0, 1, 0, 18, 2, 9, 3, 1 << 32, 5, *NO_ACCESS * 5, b"abc"),
    ),
    (
        "three slots, released in reverse order",
        Step((Reserve(8), Reserve(16), Reserve(24)), order="CBA"),
        (8, 0, 0, 0, 16, 0, 0, 0, 24, 0, 0, 0, 5, 0, 0, *NO_ACCESS * 6, b""),
    ),
]


def script(*acts: Event | Held | Peek) -> dict[str, Any]:
    return Script(acts).request()


def outcome(*numbers: int, data: bytes = b"") -> str:
    """Return an outcome that begins with these numbers. The other numbers are UNSET."""
    rest = [UNSET] * (NUMBERS - len(numbers))
    return struct.pack(f"<{NUMBERS}q", *numbers, *rest).hex() + data.hex()


def seen(*outcomes: str, fired: int = 1) -> dict[str, Any]:
    return {"loader": "bcc", "acts": [{"fired": fired, "outcomes": list(outcomes)}]}


@pytest.mark.parametrize(("step", "fields"), [case[1:] for case in STEPS], ids=[case[0] for case in STEPS])
def test_a_step_has_the_layout_of_struct_step(step: Step, fields: tuple[Any, ...]) -> None:
    (act,) = packed(script(Event((step,))))["acts"]
    *head, payload = STEP.unpack(bytes.fromhex(act["steps"][0]))
    assert (*head, payload.rstrip(b"\0")) == fields


def test_a_held_step_has_a_bit_for_each_pause() -> None:
    (act,) = packed(script(Held((Reserve(8),), after_a=(Peek(()),), after_release=(Peek(()),))))["acts"]
    assert STEP.unpack(bytes.fromhex(act["step"]))[14] == 1 | 4
    assert act["meanwhile"] == [[{"act": "peek"}], [{"act": "peek"}]]


@pytest.mark.parametrize("request_", [{"kind": "load", "functions": ["a"]}, {"do": "echo"}])
def test_a_request_other_than_a_script_does_not_change(request_: dict[str, Any]) -> None:
    assert packed(request_) == request_
    assert unpacked(request_, {"functions": {}}) == {"functions": {}}


def test_an_outcome_has_the_slots_and_accesses_of_its_step() -> None:
    fields = [*range(NUMBERS), *(bytes([number]) * 64 for number in range(6))]
    step = Step((Reserve(8), Reserve(8)), (Access("read", 0, 8),))
    reply = unpacked(script(Event((step,))), seen(OUTCOME.pack(*fields).hex()))
    assert reply["acts"][0]["outcomes"] == [
        {
            "reserved": [0, 1],
            "accessed": [3],
            "cloned": 9,
            "paused": 10,
            "start": [11, 12, 13],
            "after_reserve": [[14, 15, 16], [17, 18, 19]],
            "after_release": [[23, 24, 25], [26, 27, 28], [29, 30, 31]],
            "data": ["00" * 64],
        }
    ]


def test_an_unset_number_is_none() -> None:
    step = Step((Reserve(8),), (Access("read", 0, 8),))
    reply = unpacked(script(Event((step,))), seen(outcome(-22, data=b"\1" * 64)))
    (only,) = reply["acts"][0]["outcomes"]
    assert only["reserved"] == [-22]
    assert only["accessed"] == [None]
    assert only["start"] == [None, None, None]
    assert only["data"] == ["01" * 64]


def test_outcomes_belong_to_the_steps_in_order() -> None:
    one, two = Step((Reserve(8),)), Step((Reserve(8), Reserve(8)))
    reply = unpacked(script(Event((one, two))), seen(outcome(1), outcome(2, 3), fired=2))
    assert [each["reserved"] for each in reply["acts"][0]["outcomes"]] == [[1], [2, 3]]


@pytest.mark.parametrize(
    "reply",
    [
        {"refused": {"errno": 22, "log": ""}},
        {"unavailable": "no"},
        {"acts": [{"fired": 0, "outcomes": []}]},
    ],
)
def test_a_reply_without_outcomes_does_not_change(reply: dict[str, Any]) -> None:
    assert unpacked(script(Event((Step((Reserve(8),)),))), reply) == reply


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(seen("00" * 255), id="too short"),
        pytest.param(seen("00" * (OUTCOME.size + 1)), id="too long"),
        pytest.param(seen("zz" * 256), id="not hex"),
        pytest.param({"acts": [{"outcomes": [{}]}]}, id="an object"),
        pytest.param({"acts": []}, id="fewer acts than requested"),
        pytest.param({"acts": [7]}, id="an action that is not an object"),
    ],
)
def test_a_malformed_reply_raises(reply: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        unpacked(script(Event((Step((Reserve(8),)),))), reply)
