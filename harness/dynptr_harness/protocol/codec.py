"""Scripts on the wire between host and agent.

Steps and outcomes travel in hex, in the layout of the BPF program. The conversion from and to JSON objects
takes a fifth of the run time of an emulated guest, so the host does it.
"""

from __future__ import annotations

from typing import Any

from dynptr_harness.protocol.structs import Outcome, StepStruct

Message = dict[str, Any]


def packed(request: Message) -> Message:
    """Return the request for the agent: each step of a script becomes struct step in hex."""
    if request.get("kind") != "script":
        return request
    return {**request, "acts": [_packed_act(act) for act in request["acts"]]}


def _packed_act(act: Message) -> Message:
    match act["act"]:
        case "event":
            return {**act, "steps": [_packed_step(step) for step in act["steps"]]}
        case "held":
            return {**act, "step": _packed_step(act["step"])}
        case _:
            return act


def _packed_step(step: Message) -> str:
    return bytes(StepStruct.of(step)).hex()


def unpacked(request: Message, reply: Message) -> Message:
    """Return the agent's reply for the judge: each outcome of a script becomes a JSON object.

    Raises:
        ValueError, TypeError, AttributeError: the reply does not have the shape of the request.
    """
    if request.get("kind") != "script" or "acts" not in reply:
        return reply
    acts = zip(request["acts"], reply["acts"], strict=True)
    return {**reply, "acts": [_unpacked_act(act, seen) for act, seen in acts]}


def _unpacked_act(act: Message, seen: Message) -> Message:
    if not seen.get("outcomes"):
        return seen
    steps = act["steps"] if act["act"] == "event" else [act["step"]]
    outcomes = zip(
        steps, seen["outcomes"], strict=False
    )  # the first event that does not occur ends the steps
    return {**seen, "outcomes": [Outcome.of(outcome).reply(step) for step, outcome in outcomes]}
