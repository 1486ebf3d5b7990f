"""What user space sees of one ring, and does to it: by two readers, by epoll and poll.

Acts are JSON objects with their name in `act`:

- `peek`: what lies in the ring by the raw reader, positions and headers; nothing is consumed.
- `consume`: BCC's consumer takes what is there, and the raw reader says what it must have got.
- `seek`: the consumer position is written: to `to`, or to the producer position plus `ahead`.
- `watch`: an epoll instance is made for the ring, `edge` triggered or not.
- `wait`: how many events epoll has for it within `seconds`.
- `poll`: what poll(2) says of the ring now.
"""

from __future__ import annotations

import select
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.ringbuf.consumer import Consumer
from dynptr_harness.guest.ringbuf.raw_reader import RawReader, told
from dynptr_harness.protocol.ring import BUSY

if TYPE_CHECKING:
    from collections.abc import Callable

Act = dict[str, Any]


class RingView:
    """One ring of `size` bytes, by its descriptor; to be closed.

    Args:
        epoll: an instance that watches the ring already.
    """

    def __init__(self, ring: int, size: int, *, overwrites: bool, epoll: select.epoll | None = None) -> None:
        self.ring, self.size, self.overwrites = ring, size, overwrites
        self._props = ExitStack()
        self._raw = RawReader(ring, size, overwrites=overwrites)
        self._props.callback(self._raw.close)
        self._consumer: Consumer | None = None
        self.epoll = epoll
        self._acts: dict[str, Callable[[Act], Act]] = {
            "peek": self._peek,
            "consume": self._consume,
            "seek": self._seek,
            "watch": self._watch,
            "wait": self._wait,
            "poll": self._poll,
        }

    def close(self) -> None:
        """Let go of everything but the ring."""
        self._unwatch()
        self._props.close()

    def _unwatch(self) -> None:
        if self.epoll:
            self.epoll.close()
            self.epoll = None

    def settled(self) -> bool:
        """Nobody watches the ring any more, and all in it is passed over; False where something is open."""
        self._unwatch()
        if any(record.header & BUSY for record in self._raw.peek()):
            return False
        self._raw.seek(self._raw.producer)
        return True

    def perform(self, act: Act) -> Act:
        """Do one act; what was seen."""
        return self._acts[act["act"]](act)

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
        if not self._consumer:
            self._consumer = Consumer(self.ring)
            self._props.callback(self._consumer.close)
        records = [told(record) for record in self._consumer.take()]
        return {"records": records, "raw": raw, "consumer": self._raw.consumer}

    def _seek(self, act: Act) -> Act:
        self._raw.seek(act["to"] if "to" in act else self._raw.producer + act["ahead"])
        return {"consumer": self._raw.consumer}

    def _watch(self, act: Act) -> Act:
        self._unwatch()
        self.epoll = select.epoll()
        self.epoll.register(self.ring, select.EPOLLIN | (select.EPOLLET if act["edge"] else 0))
        return {}

    def _wait(self, act: Act) -> Act:
        assert self.epoll, "wait comes after watch"  # noqa: S101
        return {"events": len(self.epoll.poll(act["seconds"]))}

    def _poll(self, _act: Act) -> Act:
        poller = select.poll()
        poller.register(self.ring, select.POLLIN | select.POLLOUT)
        ready = dict(poller.poll(0)).get(self.ring, 0)
        return {"in": bool(ready & select.POLLIN), "out": bool(ready & select.POLLOUT)}
