"""Runs scripts: the conformance program writes to a ring, and user space reads it.

A script is a list of actions. Each action is a JSON object with its kind in `act`. Beside the actions of
ringbuf/view.py there are:

- `ring`: replace the ring with a new one of `size` bytes.
- `event`: for each of the `steps`, write the step to the control page and fire the type's event. The first
  event also gets `fill`, if present.
- `held`: the same for one `step` with pauses. In each pause the program holds its reservations and its CPU,
  and another process performs the next list of actions in `meanwhile`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dynptr_harness.protocol.structs import MAX_FILL

if TYPE_CHECKING:
    from dynptr_harness.guest.prog_types import GuestType
    from dynptr_harness.guest.ringbuf.control import ControlPage
    from dynptr_harness.guest.ringbuf.observer import Observer
    from dynptr_harness.guest.ringbuf.pool import RingPool

Act = dict[str, Any]

# After these actions the next script may use the same ring. Other actions (`ring`, `seek`, `held`) can leave
# state behind that user space cannot see.
REUSE_AFTER = frozenset({"event", "peek", "consume", "watch", "wait", "poll"})


class ScriptRunner:
    """Runs one script."""

    def __init__(
        self, rings: RingPool, request: Act, guest_type: GuestType, control: ControlPage, observer: Observer
    ) -> None:
        self._rings = rings
        self._guest_type = guest_type
        self._control = control
        self._observer = observer
        ring_for = rings.new if request["new_ring"] else rings.reused_or_new
        self._view = ring_for(request["ring_size"], request["ring_flags"])

    def run(self, acts: list[Act]) -> list[Act]:
        """Perform the actions and return a reply for each."""
        replies = [self.perform(act) for act in acts]
        if REUSE_AFTER.issuperset(act["act"] for act in acts):
            self._rings.keep()
        return replies

    def perform(self, act: Act) -> Act:
        """Perform one action and return the reply."""
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
        """Fire the event once for each step, or once without a step."""
        first, *others = act["steps"] or [None]
        reply = self._fill_and_fire(act["fill"], first) if "fill" in act else self._fire(first)
        for step in others:
            next_reply = self._fire(step)
            reply["fired"] += next_reply["fired"]
            reply["outcomes"] += next_reply["outcomes"]
        return reply

    def _fill_and_fire(self, fill: dict[str, Any], step: str | None) -> Act:
        """Fire as many events as `fill` needs, MAX_FILL reservations each. The last one has the step."""
        granted = error = 0
        while fill["cnt"] - granted > MAX_FILL:
            part = self._fire(None, {**fill, "cnt": MAX_FILL})
            granted, error = granted + part["fill"]["granted"], part["fill"]["error"]
            if not part["fired"]:
                return part
            if error:
                break
        reply = self._fire(step, {**fill, "cnt": 0 if error else fill["cnt"] - granted})
        granted, error = granted + reply["fill"]["granted"], error or reply["fill"]["error"]
        return {**reply, "fill": {"granted": granted, "error": error}}

    def _fire(self, step: str | None, fill: dict[str, Any] | None = None) -> Act:
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
        # Another process performs the actions, because some events block this one until they are over.
        watching = self._observer.watching(self._view, act["meanwhile"])
        with watching as report, self._control.armed(step=act["step"]):
            self._guest_type.fire()
        fired = self._control.fired()
        if fired and self._control.paused() != len(act["meanwhile"]):
            raise TimeoutError(
                "no other CPU read the ring while the program held its reservations: "
                f"the guest has {os.cpu_count()} CPUs, and needs 2 that run at the same time"
            )
        return {"fired": fired, "outcomes": [self._control.outcome()], "meanwhile": report()}
