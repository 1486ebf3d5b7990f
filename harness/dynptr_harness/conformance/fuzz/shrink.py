"""Reduces a failing sequence to a smaller one that still fails."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from dynptr_harness.conformance.fuzz.sequence import Act, Sequence

FREE_LENGTH = {"write", "read", "adjust", "memset", "copy"}  # others have code for some lengths only
NUMBERS = ("size", "flags", "release_flags", "offset", "cnt", "ahead", "source")


async def shrink(
    sequence: Sequence,
    fails: Callable[[Sequence], Awaitable[bool]],
    is_valid: Callable[[Sequence], bool],
    *,
    attempts: int,
) -> Sequence:
    """Return a smaller sequence that fails.

    Args:
        fails: runs a sequence.
        attempts: maximum number of runs.
    """
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(sequence):
            if not is_valid(candidate):
                continue
            if not attempts:
                return sequence
            attempts -= 1
            if await fails(candidate):
                sequence, smaller = candidate, True
                break
    return sequence


def candidates(sequence: Sequence) -> Iterator[Sequence]:
    """Yield simpler sequences, those with the most removed first."""
    acts = sequence.acts
    width = len(acts) // 2
    while width:
        for first in range(0, len(acts), width):
            yield replace(sequence, acts=acts[:first] + acts[first + width :])
        width //= 2
    for number, act in enumerate(acts):
        for simpler in _simpler(act):
            yield replace(sequence, acts=(*acts[:number], simpler, *acts[number + 1 :]))


def _simpler(act: Act) -> Iterator[Act]:
    """Yield simpler variants of an action: no fill, fewer steps, slots and accesses, smaller numbers."""
    if "fill" in act and act["steps"]:
        yield {key: part for key, part in act.items() if key != "fill"}
    for path in _removable(act):
        yield _changed(act, path, None)
    for path, number in _numbers(act):
        for less in dict.fromkeys((0, 8, number // 2, number - 8, number - 1)):
            if 0 <= less < number:
                yield _changed(act, path, less)


def _removable(act: Act) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of list entries that can be removed from an action."""
    steps = act.get("steps", [])
    for number, step in enumerate(steps):
        if len(steps) > 1 or "fill" in act:
            yield "steps", number
        for access in range(len(step["accesses"])):
            yield "steps", number, "accesses", access
        used = {access["slot"] for access in step["accesses"]}
        last = len(step["slots"]) - 1
        if last > 0 and last not in used:
            yield "steps", number, "slots", last


def _numbers(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield the paths and values of all numbers that can be reduced."""
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from _numbers(each, (*path, number))
    elif isinstance(part, dict):
        for key, value in part.items():
            if isinstance(value, int) and (key in NUMBERS or (key == "len" and part["op"] in FREE_LENGTH)):
                yield (*path, key), value
            else:
                yield from _numbers(value, (*path, key))


def _changed(act: Act, path: tuple[Any, ...], value: int | None) -> Act:
    """Return the action with one part replaced, or removed if `value` is None."""
    changed = copy.deepcopy(act)
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed
