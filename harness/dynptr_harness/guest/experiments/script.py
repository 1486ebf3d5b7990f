"""A stage: one ring, with the program that writes to it and all who look at it.

A script is a list of acts, each a JSON object with its name in `act`; beside those of ring_view.py:

- `ring`: another new ring of `size` bytes takes the place of the one so far.
- `event`: `fill` (optional) and a step go into the control page, and the type's event is fired; again for
  each further one of the `steps`.
- `held`: as `event` with the one step `step`, and in each of its pauses another process does the acts of
  `meanwhile` that belong to it, in order; the program holds its reservations and the CPU meanwhile.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dynptr_harness.protocol.structs import MAX_FILL

if TYPE_CHECKING:
    from dynptr_harness.guest.prog_types import GuestType
    from dynptr_harness.guest.ringbuf.control import Control
    from dynptr_harness.guest.ringbuf.observer import Observer
    from dynptr_harness.guest.ringbuf.pool import RingPool

Act = dict[str, Any]

# Whoever writes the consumer position, holds reservations or changes the ring may leave behind what nobody
# sees.
ORDINARY = frozenset({"event", "peek", "consume", "watch", "wait", "poll"})


class ScriptRunner:
    """Performs the acts of one script, on the ring that the request wants."""

    def __init__(
        self, rings: RingPool, request: Act, guest_type: GuestType, control: Control, observer: Observer
    ) -> None:
        self._rings = rings
        self._guest_type = guest_type
        self._control = control
        self._observer = observer
        ring_for = rings.new if request["new_ring"] else rings.reused_or_new
        self._view = ring_for(request["ring_size"], request["ring_flags"])

    def run(self, acts: list[Act]) -> list[Act]:
        """Do them all; what was seen in each."""
        seen = [self.perform(act) for act in acts]
        if ORDINARY.issuperset(act["act"] for act in acts):
            self._rings.keep()
        return seen

    def perform(self, act: Act) -> Act:
        """Do one act; what was seen."""
        match act["act"]:
            case "event":
                return self._event(act)
            case "held":
                return self._held(act)
            case "ring":
                self._view = self._rings.new(act["size"])
                return {}
            case _:
                return self._view.perform(act)

    def _event(self, act: Act) -> Act:
        """The event once, or once for each step."""
        first, *others = act["steps"] or [None]
        reply = self._filled(act["fill"], first) if "fill" in act else self._fired(first)
        for step in others:
            further = self._fired(step)
            reply["fired"] += further["fired"]
            reply["outcomes"] += further["outcomes"]
        return reply

    def _filled(self, fill: dict[str, Any], step: str | None) -> Act:
        """An event that fills, and before it as many more as it takes to reserve all that is wanted."""
        granted = error = 0
        while fill["cnt"] - granted > MAX_FILL:
            part = self._fired(None, {**fill, "cnt": MAX_FILL})
            granted, error = granted + part["fill"]["granted"], part["fill"]["error"]
            if not part["fired"]:
                return part
            if error:
                break
        reply = self._fired(step, {**fill, "cnt": 0 if error else fill["cnt"] - granted})
        granted, error = granted + reply["fill"]["granted"], error or reply["fill"]["error"]
        return {**reply, "fill": {"granted": granted, "error": error}}

    def _fired(self, step: str | None, fill: dict[str, Any] | None = None) -> Act:
        self._control.arm(fill=fill, step=step)
        try:
            self._guest_type.fire()
        finally:
            self._control.disarm()
        reply: Act = {
            "fired": self._control.fired(),
            "outcomes": [self._control.outcome()] if step else [],
        }
        return {**reply, "fill": self._control.filled()} if fill else reply

    def _held(self, act: Act) -> Act:
        """A process of its own looks: some events keep this one from running Python until they are over."""
        watching = self._observer.watching(self._view, act["meanwhile"])
        with watching as report, self._control.armed(step=act["step"]):
            self._guest_type.fire()
        fired = self._control.fired()
        if fired and self._control.paused() != len(act["meanwhile"]):
            raise TimeoutError(
                "while the program held its reservations no other CPU looked at the ring in time: "
                f"the guest has {os.cpu_count()}, and needs 2 that the host lets run"
            )
        return {"fired": fired, "outcomes": [self._control.outcome()], "meanwhile": report()}
