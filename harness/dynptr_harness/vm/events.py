"""The events of the agent, checked. A guest whose kernel misbehaves may send anything."""

from __future__ import annotations

import json
from typing import Any

from dynptr_harness.core.kernel_version import KernelVersion

# The types of the facts that the host uses. A guest for commands only sends some of them.
FACTS: dict[str, type] = {
    "release": str,
    "byteorder": str,
    "cpus": int,
    "accelerator": str,
    "has_helper": bool,
    "kfuncs": list,
    "overwriting_rings": bool,
    "options_set": list,
    "options_unset": list,
}
LONGEST_REQUEST = 1e6  # seconds; also excludes NaN
LAST = ("reply", "error")  # events that answer a request
OF_HOST = {"splats", "console"}  # fields that the host adds to a reply
SHOWN = 200  # characters of an invalid message


class NotTheProtocol(Exception):
    """The guest sent an invalid message."""


def parsed(line: bytes) -> dict[str, Any]:
    """Return the JSON object of a line. Raise NotTheProtocol if it is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise NotTheProtocol(line[:SHOWN].decode(errors="replace").rstrip())
    return message


def check_first(event: dict[str, Any]) -> None:
    """Check the first event of the agent: failed, or ready with its facts. Raise NotTheProtocol."""
    if event.get("event") == "failed":
        return
    facts = event.get("facts")
    if not isinstance(facts, dict) or not _are_facts(facts):
        raise NotTheProtocol(str(event)[:SHOWN])


def _are_facts(facts: dict[str, Any]) -> bool:
    if any(not isinstance(facts[name], kind) for name, kind in FACTS.items() if name in facts):
        return False
    try:
        KernelVersion(facts["release"]).major_minor  # noqa: B018  (raises)
    except (KeyError, ValueError):
        return False
    return True


def check_answer(event: dict[str, Any], number: int) -> None:
    """Check the event that answers a request: its reply, or the agent's error. Raise NotTheProtocol.

    Args:
        number: of the request.
    """
    is_reply = event.get("event") == "reply" and _is_reply(event)
    if event.get("id") != number or not (is_reply or event.get("event") == "error"):
        raise NotTheProtocol(str(event)[:SHOWN])


def _is_reply(event: dict[str, Any]) -> bool:
    reply = event.get("reply")
    seconds, logged = event.get("seconds", 0.0), event.get("kernel_logged", True)
    return (
        isinstance(reply, dict)
        and not OF_HOST & reply.keys()
        and isinstance(seconds, int | float)
        and 0 <= seconds < LONGEST_REQUEST
        and isinstance(logged, bool)
    )
