"""The coverage of sequences: actions, operations with their answers, and states of the ring."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.conformance.fuzz.sequence import Act
    from dynptr_harness.conformance.model.script import ScriptModel


class Coverage:
    """Numbers of actions, operations and states, by name."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, model: ScriptModel, act: Act, predicted: Act) -> None:
        """Count an action with the reply that the model predicts."""
        self.counts[f"action {act['act']}"] += 1
        self.counts.update(_answers(act, predicted))
        self.counts.update(_states(model))


def _answers(act: Act, predicted: Act) -> Iterator[str]:
    for name in ("events", "in"):
        if name in predicted:
            yield f"{act['act']} {int(predicted[name])}"
    if "fill" in predicted:
        yield f"fill {_kind(predicted['fill']['error'])}"
    steps = act.get("steps") or ([act["step"]] if "step" in act else [])
    for step, outcome in zip(steps, predicted.get("outcomes", []), strict=True):
        for answer in outcome["reserved"]:
            yield f"reserve {_kind(answer)}"
        for access, answer in zip(step["accesses"], outcome["accessed"], strict=True):
            yield f"{access['op']} {_kind(answer)}"
        for slot in step["slots"]:
            yield slot["release"]


def _kind(answer: Any) -> str:
    """Return the kind of an answer: an error, zero, or a positive number."""
    return str(answer) if answer <= 0 else "positive"


def _states(model: ScriptModel) -> Iterator[str]:
    ring = model.ring
    unread = ring.producer - ring.consumer
    if unread == 0:
        yield "ring empty"
    if unread < 0:
        yield "consumer ahead"
    if 0 <= ring.size - 1 - unread < 8:
        yield "ring full"
    if any(record.position % ring.size + record.size + 8 > ring.size for record in ring.unread()):
        yield "record across the end"
