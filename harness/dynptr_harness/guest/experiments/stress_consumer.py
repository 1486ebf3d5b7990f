"""The consumer of a stress test. It saves records before it writes the consumer position.

So no record is lost if the consumer is killed. The next consumer reads a record again if the position after
it was not written yet.
"""

from __future__ import annotations

import os
import select
import signal
import struct
from typing import TYPE_CHECKING

from dynptr_harness.guest.experiments.stress_check import committed_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dynptr_harness.guest.ringbuf.raw_reader import RawReader

ENTRY = struct.Struct("QQ")  # header of each saved piece: its position in the ring, and its size
WAIT_S = 0.01  # timeout of epoll, after which the consumer checks if more records can come


class StressConsumer:
    """Reads a ring until no more records can come.

    Args:
        ring: file descriptor of the ring that `reader` maps.
        expecting: returns True if more records can come.
        interrupted: called after a piece was saved and before the position after it, the argument, is
            written. It may sleep or kill this process.
    """

    def __init__(
        self,
        ring: int,
        reader: RawReader,
        expecting: Callable[[], bool],
        interrupted: Callable[[int], None],
    ) -> None:
        self._ring = ring
        self._reader = reader
        self._expecting = expecting
        self._interrupted = interrupted

    def save_to(self, path: Path) -> None:
        """Append the records, with their headers, to a file."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with select.epoll() as epoll:
            epoll.register(self._ring, select.EPOLLIN)
            expecting = True
            while self._take(file) or expecting:
                # before the ring is read again, so that the last records are read too
                expecting = self._expecting()
                epoll.poll(WAIT_S if expecting else 0)
        os.close(file)

    def _take(self, file: int) -> bool:
        start = self._reader.consumer
        records = self._reader.unread()
        taken = committed_bytes(records)
        if not taken:
            return False
        os.writev(file, [ENTRY.pack(start, taken), records[:taken]])
        self._interrupted(start + taken)
        self._reader.seek(start + taken)
        return True


def kill_self() -> None:
    """End this process without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


def read_saved(path: Path) -> Iterator[tuple[int, memoryview]]:
    """Yield the pieces that a consumer saved: (position in the ring, records)."""
    content = memoryview(path.read_bytes())
    at = 0
    while at < len(content):
        position, size = ENTRY.unpack_from(content, at)
        at += ENTRY.size + size
        yield position, content[at - size : at]
