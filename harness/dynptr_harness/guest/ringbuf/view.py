"""The actions of user space on one ring.

An action is a JSON object with its name in `act`:

- `peek`: return positions, headers and payloads through the raw reader. Consume nothing.
- `consume`: read all records through libbpf's consumer. Return them with the raw reader's view from before.
- `seek`: write the consumer position: `to`, or the producer position plus `ahead`.
- `watch`: create an epoll instance for the ring, `edge` triggered or not.
- `wait`: return the number of events that epoll reports within `seconds`.
- `poll`: return what poll(2) reports now.
"""

from __future__ import annotations

import select
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.ringbuf.consumer import Consumer
from dynptr_harness.guest.ringbuf.raw_reader import RawReader, payload_text
from dynptr_harness.protocol.ring import BUSY

if TYPE_CHECKING:
    from collections.abc import Callable

Act = dict[str, Any]


class RingView:
    """One ring of `size` bytes, for actions of user space.

    Args:
        ring: descriptor of the ring. The view does not close it.
        epoll: an epoll instance that watches the ring.
    """

    def __init__(self, ring: int, size: int, *, overwrites: bool, epoll: select.epoll | None = None) -> None:
        self.ring, self.size, self.overwrites = ring, size, overwrites
        self._resources = ExitStack()
        self._raw = RawReader(ring, size, overwrites=overwrites)
        self._resources.callback(self._raw.close)
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
        """Close everything except the ring."""
        self._unwatch()
        self._resources.close()

    def _unwatch(self) -> None:
        if self.epoll:
            self.epoll.close()
            self.epoll = None

    def reset(self) -> bool:
        """Close the epoll instance and skip all records. Return False if a record is busy."""
        self._unwatch()
        if any(record.header & BUSY for record in self._raw.peek()):
            return False
        self._raw.seek(self._raw.producer)
        return True

    def perform(self, act: Act) -> Act:
        """Perform one action and return its reply."""
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
        # created late, because it keeps its own epoll instance on the ring
        if not self._consumer:
            self._consumer = Consumer(self.ring)
            self._resources.callback(self._consumer.close)
        records = [payload_text(record) for record in self._consumer.take()]
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
