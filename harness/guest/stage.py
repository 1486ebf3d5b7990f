"""A stage: one new ring, with the program that writes to it and all who look at it.

A script is a list of acts, each a JSON object with its name in `act`:

- `ring`: another new ring of `size` bytes takes the place of the one so far.
- `event`: `fill` (optional) and a step go into the control page, and the type's event is fired; again for
  each further one of the `steps`.
- `held`: as `event` with the one step `step`, and in each of its pauses another process does the acts of
  `meanwhile` that belong to it, in order; the program holds its reservations and the CPU meanwhile.
- `peek`: what lies in the ring by the raw reader, positions and headers; nothing is consumed.
- `consume`: BCC's consumer takes what is there, and the raw reader says what it must have got.
- `seek`: the consumer position is written: to `to`, or to the producer position plus `ahead`.
- `watch`: an epoll instance is made for the ring, `edge` triggered or not.
- `wait`: how many events epoll has for it within `seconds`.
- `poll`: what poll(2) says of the ring now.
"""

from __future__ import annotations

import json
import os
import select
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from harness.guest import bpf
from harness.guest.children import Child
from harness.guest.consumer import Consumer
from harness.guest.control import MAX_FILL
from harness.guest.raw_reader import RawReader, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.guest.control import Control
    from harness.guest.pauses import Pauses
    from harness.guest.prog_types import GuestType

# From the end of the event until the process that looked has told what it saw.
REPORT_S = 5.0

Act = dict[str, Any]


class Stage:
    """Performs the acts of one script; a context manager. Programs find the ring in the map `rings`."""

    def __init__(
        self,
        rings: int,
        size: int,
        guest_type: GuestType,
        control: Control,
        pauses: Pauses,
        *,
        flags: int = 0,
    ) -> None:
        self._rings = rings
        self._pauses = pauses
        self._guest_type = guest_type
        self._control = control
        self._props = ExitStack()
        self._new_ring(size, flags)

    def _new_ring(self, size: int, flags: int = 0) -> None:
        self._props.close()
        self._ring = self._props.enter_context(bpf.ring(size, flags))
        overwrites = bool(flags & bpf.BPF_F_RB_OVERWRITE)
        self._raw = self._props.enter_context(closing(RawReader(self._ring, size, overwrites=overwrites)))
        self._consumer: Consumer | None = None
        self._epoll: select.epoll | None = None
        bpf.map_write_fd(self._rings, 0, self._ring)

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._props.close()

    def perform(self, act: Act) -> Act:
        """Do one act; what was seen."""
        acts: dict[str, Callable[[Act], Act]] = {
            "ring": self._another_ring,
            "event": self._event,
            "held": self._held,
            "peek": self._peek,
            "consume": self._consume,
            "seek": self._seek,
            "watch": self._watch,
            "wait": self._wait,
            "poll": self._poll,
        }
        return acts[act["act"]](act)

    def _another_ring(self, act: Act) -> Act:
        self._new_ring(act["size"])
        return {}

    def _event(self, act: Act) -> Act:
        """The event once, or once for each step."""
        first, *others = act["steps"] or [None]
        reply = self._filled(act["fill"], first) if "fill" in act else self._fired(first)
        for step in others:
            further = self._fired(step)
            reply["fired"] += further["fired"]
            reply["outcomes"] += further["outcomes"]
        return reply

    def _filled(self, fill: dict[str, Any], step: dict[str, Any] | None) -> Act:
        """An event that fills, and before it as many more as it takes to reserve all that is wanted."""
        granted = error = 0
        while fill["cnt"] - granted > MAX_FILL:
            part = self._fired(None, {**fill, "cnt": MAX_FILL})
            granted, error = granted + part["fill"]["granted"], part["fill"]["error"]
            if not part["fired"]:
                return {**part, "outcomes": []}
            if error:
                break
        reply = self._fired(step, {**fill, "cnt": 0 if error else fill["cnt"] - granted})
        granted, error = granted + reply["fill"]["granted"], error or reply["fill"]["error"]
        return {**reply, "fill": {"granted": granted, "error": error}}

    def _fired(self, step: dict[str, Any] | None, fill: dict[str, Any] | None = None) -> Act:
        with self._control.armed(fill=fill, step=step):
            self._guest_type.fire()
        return self._control.reply(step)

    def _held(self, act: Act) -> Act:
        """A process of its own looks: some events keep this one from running Python until they are over."""
        reader, writer = os.pipe()
        with os.fdopen(reader) as report:
            self._pauses.begin()
            observer = Child(lambda: self._observe(act["meanwhile"], writer))
            try:
                os.close(writer)
                with self._control.armed(step=act["step"]):
                    self._guest_type.fire()
                self._pauses.end()
                if not select.select([report], [], [], REPORT_S)[0]:
                    raise TimeoutError(f"the process that looks at the ring said nothing for {REPORT_S:g} s")
                seen = report.read()
            finally:
                observer.close()
        if not seen:
            raise RuntimeError("the process that looks at the ring failed; the console says more")
        reply = self._control.reply(act["step"])
        if reply["fired"] and reply["outcomes"][0]["paused"] != len(act["meanwhile"]):
            raise TimeoutError(
                "while the program held its reservations no other CPU looked at the ring in time: "
                f"the guest has {os.cpu_count()}, and needs 2 that the host lets run"
            )
        return {**reply, "meanwhile": json.loads(seen)}

    def _observe(self, meanwhile: list[list[Act]], writer: int) -> None:
        seen = []
        for number, acts in enumerate(meanwhile, 1):
            if not self._pauses.wait_for(number):
                break
            seen.append([self.perform(act) for act in acts])
            self._pauses.resume(number)
        with os.fdopen(writer, "w") as report:
            json.dump(seen, report)

    def _peek(self, _act: Act) -> Act:
        return {
            "consumer": self._raw.consumer,
            "producer": self._raw.producer,
            **self._raw.overwriting(),
            "records": [record.reply() for record in self._raw.peek()],
        }

    def _consume(self, _act: Act) -> Act:
        raw = self._peek(_act)
        # made here, not before: while it is there it holds an epoll instance of its own on the ring
        self._consumer = self._consumer or self._props.enter_context(closing(Consumer(self._ring)))
        records = [told(record) for record in self._consumer.take()]
        return {"records": records, "raw": raw, "consumer": self._raw.consumer}

    def _seek(self, act: Act) -> Act:
        self._raw.seek(act["to"] if "to" in act else self._raw.producer + act["ahead"])
        return {"consumer": self._raw.consumer}

    def _watch(self, act: Act) -> Act:
        self._epoll = self._props.enter_context(select.epoll())
        self._epoll.register(self._ring, select.EPOLLIN | (select.EPOLLET if act["edge"] else 0))
        return {}

    def _wait(self, act: Act) -> Act:
        assert self._epoll, "wait comes after watch"  # noqa: S101
        return {"events": len(self._epoll.poll(act["seconds"]))}

    def _poll(self, _act: Act) -> Act:
        poller = select.poll()
        poller.register(self._ring, select.POLLIN | select.POLLOUT)
        ready = dict(poller.poll(0)).get(self._ring, 0)
        return {"in": bool(ready & select.POLLIN), "out": bool(ready & select.POLLOUT)}
