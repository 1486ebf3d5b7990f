"""A sequence of actions with the replies that the model predicts."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.experiments.script import NO_WAKE_S, WAKE_S
from dynptr_harness.conformance.model.compare import Mismatch, mismatches
from dynptr_harness.conformance.model.ring import Ring
from dynptr_harness.conformance.model.script import ScriptModel
from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence as Several

    from dynptr_harness.conformance.model.features import Features

Act = dict[str, Any]
FORMAT = 1  # of a replay file


@dataclass(frozen=True)
class Setting:
    """The properties of a kernel that its sequences depend on.

    Attributes:
        kfuncs: the kfuncs of the kernel.
        features: the behaviour of the kernel; the first entry is the newest, others are documented.
    """

    prog_type: str
    kfuncs: frozenset[str]
    features: tuple[Features, ...]


@dataclass(frozen=True)
class Sequence:
    """Actions on one ring, as JSON objects for the agent.

    Attributes:
        program: the object whose program performs the steps.
        new_ring: start with a new ring. Otherwise the ring may have been used by earlier sequences.
    """

    program: str
    ring_size: int
    acts: tuple[Act, ...]
    new_ring: bool = False

    def request(self, prog_type: str) -> dict[str, Any]:
        """Return the request to the agent. Its first action reads the ring's positions."""
        return {
            "kind": "script",
            "prog_type": prog_type,
            "loader": "libbpf",
            "object": self.program,
            "ring_size": self.ring_size,
            "ring_flags": 0,
            "new_ring": self.new_ring,
            "acts": [{"act": "peek"}, *self.acts],
        }

    def differences(self, setting: Setting, seen: Several[Act]) -> list[Mismatch]:
        """Return the differences from the newest behaviour, or none if any documented behaviour matches."""
        newest: list[Mismatch] = []
        for features in setting.features:
            found = self._differences(features, setting, seen)
            if not found:
                return []
            newest = newest or found
        return newest

    def _differences(self, features: Features, setting: Setting, seen: Several[Act]) -> list[Mismatch]:
        before = seen[0]
        if before["records"] or before["consumer"] != before["producer"] or before["producer"] % 8:
            return [Mismatch("the ring before the sequence", "an empty ring", before)]
        model = self.model(features, setting.kfuncs, before["producer"])
        found: list[Mismatch] = []
        for number, (act, reply) in enumerate(zip(self.acts, seen[1:], strict=False), 1):
            found += mismatches(model.perform(act), reply, f"action {number} {act['act']}:")
        if len(seen) != 1 + len(self.acts):
            found.append(Mismatch("actions", 1 + len(self.acts), len(seen)))
        return found

    def model(self, features: Features, kfuncs: frozenset[str], start: int = 0) -> ScriptModel:
        """Return a model whose ring has its positions at `start`. Position 0 means a new ring."""
        ring = Ring(
            self.ring_size,
            pending_position=features.pending_position,
            new=start == 0,
            consumer=start,
            producer=start,
            pending=start,
        )
        return ScriptModel(ring, features, self.program, kfuncs)

    def is_valid(self, setting: Setting) -> bool:
        """Return True if the agent can perform the actions.

        A wait needs an earlier watch, and user space reads only at record boundaries.
        """
        model = self.model(setting.features[0], setting.kfuncs)
        for act in self.acts:
            if act["act"] == "wait" and model.ring.ready is None:
                return False
            inner = [each for acts in act.get("meanwhile", []) for each in acts]
            reads = any(each["act"] in {"consume", "peek"} for each in (act, *inner))
            if reads and not model.ring.readable:
                return False
            model.perform(act)
        return True

    def timed(self, setting: Setting) -> Sequence:
        """Return the sequence with a deadline for each wait."""
        model, acts = self.model(setting.features[0], setting.kfuncs), []
        for act in self.acts:
            predicted = model.perform(act)
            acts.append({**act, "seconds": seconds_of(predicted)} if act["act"] == "wait" else act)
        return replace(self, acts=tuple(acts))

    def as_json(self, **more: Any) -> str:
        """Return the text of a replay file."""
        document = {
            "format": FORMAT,
            **more,
            "program": self.program,
            "ring_size": self.ring_size,
            "new_ring": self.new_ring,
            "acts": list(self.acts),
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str) -> tuple[Sequence, dict[str, Any]]:
        """Return the sequence of a replay file, and the whole document.

        Raises:
            WrongUsage: the text is not a replay file.
        """
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}")
            acts = tuple(copy.deepcopy(document["acts"]))
            return cls(document["program"], document["ring_size"], acts, document["new_ring"]), document
        except (ValueError, KeyError, TypeError) as error:
            raise WrongUsage(
                f"{name} is not a replay file: {error}", "give a file that `fuzz` wrote"
            ) from error


def seconds_of(predicted: Act) -> float:
    """Return the timeout of a wait in seconds: long if the model expects an event."""
    return WAKE_S if predicted["events"] else NO_WAKE_S
