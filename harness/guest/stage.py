"""A stage: one new ring, with the program that writes to it and all who look at it.

A script is a list of acts, each a JSON object with its name in `act`:

- `ring`: another new ring of `size` bytes takes the place of the one so far.
- `event`: `fill` (optional) and `steps` go into the control page, and the type's event is fired.
- `peek`: what lies in the ring by the raw reader, positions and headers; nothing is consumed.
- `consume`: BCC's consumer takes what is there, and the raw reader says what it must have got.
- `seek`: the consumer position is written: to `to`, or to the producer position plus `ahead`.
- `watch`: an epoll instance is made for the ring, `edge` triggered or not.
- `wait`: how many events epoll has for it within `seconds`.
- `poll`: what poll(2) says of the ring now.
"""

from __future__ import annotations

import select
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from harness.guest import bpf
from harness.guest.consumer import Consumer
from harness.guest.raw_reader import RawReader, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.guest.control import Control
    from harness.guest.prog_types import GuestType

Act = dict[str, Any]


class Stage:
    """Performs the acts of one script; a context manager. Programs find the ring in the map `rings`."""

    def __init__(self, rings: int, size: int, guest_type: GuestType, control: Control) -> None:
        self._rings = rings
        self._guest_type = guest_type
        self._control = control
        self._props = ExitStack()
        self._new_ring(size)

    def _new_ring(self, size: int) -> None:
        self._props.close()
        self._ring = self._props.enter_context(bpf.ring(size))
        self._raw = self._props.enter_context(closing(RawReader(self._ring, size)))
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
        with self._control.armed(fill=act.get("fill"), steps=act["steps"]):
            self._guest_type.fire()
        return self._control.reply(act["steps"])

    def _peek(self, _act: Act) -> Act:
        return {
            "consumer": self._raw.consumer,
            "producer": self._raw.producer,
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
