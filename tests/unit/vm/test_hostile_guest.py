"""A guest may send anything. The host then has a verdict or a failure of the machine, never a crash."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.progress import Silent
from dynptr_harness.runner.batches import Query
from dynptr_harness.runner.collector import ResultCollector
from dynptr_harness.runner.limits import FailureCount, Limits
from dynptr_harness.runner.session import Observation
from dynptr_harness.vm.channel import Channel
from dynptr_harness.vm.events import NotTheProtocol
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.hostile import JSON, damaged
from tests.unit.kernel_model import KernelModel
from tests.unit.samples import FACTS, SMALL, subject

# One cell of each kind of request.
CELLS = list({cell.request["kind"]: cell for cell in SMALL.cells}.values())


def received(data: bytes, wanted: str) -> dict[str, Any]:
    """Return what the channel makes of the bytes that a guest sends before it closes its port."""

    async def talk() -> dict[str, Any]:
        pairs = [socket.socketpair() for _ in range(2)]
        (ours, theirs), (our_events, their_events) = pairs
        channel = Channel(ours, our_events)
        try:
            await channel.open()
            their_events.sendall(data)
            their_events.close()
            if wanted == "first":
                return await channel.first_event()
            if wanted == "next":
                return await channel.next_event(1)
            return await channel.answer_to(CELLS[0].request, 1)
        finally:
            channel.close()
            theirs.close()

    return asyncio.run(talk())


@pytest.mark.parametrize("wanted", ["first", "answer", "next"])
@given(data=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode() + b"\n"))
def test_random_bytes_are_an_event_or_an_error(wanted: str, data: bytes) -> None:
    try:
        event = received(data, wanted)
    except (NotTheProtocol, EOFError):
        return
    assert isinstance(event, dict)


@given(data=damaged({"event": "ready", "facts": {k: v for k, v in FACTS.items() if k != "lsm"}}))
def test_damaged_facts_are_typed_or_an_error(data: dict[str, Any]) -> None:
    try:
        event = received(json.dumps(data).encode() + b"\n", "first")
    except (NotTheProtocol, EOFError):
        return
    if event.get("event") != "failed":
        assert isinstance(event["facts"]["release"], str)
        assert isinstance(event["facts"].get("kfuncs", []), list)


def test_deeply_nested_json_is_no_event() -> None:
    with pytest.raises(NotTheProtocol):
        received(b"[" * 100_000 + b"\n", "answer")


@given(st.data())
def test_a_damaged_reply_has_a_verdict_or_is_an_error(data: st.DataObject) -> None:
    cell = data.draw(st.sampled_from(CELLS))
    reply = KernelModel().answer(cell.request)
    sent = data.draw(
        damaged({"event": "reply", "id": 1, "reply": reply, "seconds": 0.25, "kernel_logged": False})
    )
    try:
        event = received(json.dumps(sent).encode() + b"\n", "answer")
    except (NotTheProtocol, EOFError):
        return
    if event["event"] == "error":
        return
    prepared = subject()
    results = ResultCollector(prepared.kernel, [cell], Silent(), FailureCount(Limits()))
    results.add(Query(cell.request, (cell,)), Observation(event["reply"], event.get("seconds", 0.0)), FACTS)
    (result,) = results.cells(None)
    assert result.verdict in Verdict
    json.dumps(result.seconds)
