"""Scripts on their way to the agent and back: steps and outcomes go as the bytes that the program has.

To make them of JSON objects, and objects of them, took a fifth of the time of an emulated guest.
"""

from __future__ import annotations

from typing import Any

from dynptr_harness.protocol.structs import Outcome, Step

Message = dict[str, Any]


def packed(request: Message) -> Message:
    """The request as the agent takes it: in its acts struct step in hex for each step."""
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
    return bytes(Step.of(step)).hex()


def unpacked(request: Message, reply: Message) -> Message:
    """The agent's reply to a request as it is judged: in its acts an object for each outcome.

    Raises:
        ValueError, TypeError, AttributeError: the reply is of another make.
    """
    if request.get("kind") != "script" or "acts" not in reply:
        return reply
    acts = zip(request["acts"], reply["acts"], strict=True)
    return {**reply, "acts": [_unpacked_act(act, seen) for act, seen in acts]}


def _unpacked_act(act: Message, seen: Message) -> Message:
    if not seen.get("outcomes"):
        return seen
    steps = act["steps"] if act["act"] == "event" else [act["step"]]
    outcomes = zip(steps, seen["outcomes"], strict=False)  # an event that does not come ends the steps
    return {**seen, "outcomes": [Outcome.of(told).reply(step) for step, told in outcomes]}
