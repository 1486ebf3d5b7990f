"""The consumer of a flood: saves what it takes from the ring, and only then writes its position.

So a record is never lost with a consumer that dies, and is read again if its position was not yet written.
"""

from __future__ import annotations

import os
import select
import signal
import struct
from typing import TYPE_CHECKING

from dynptr_harness.guest.experiments.stress_check import committed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dynptr_harness.guest.ringbuf.raw_reader import RawReader

ENTRY = struct.Struct("QQ")  # before each piece that is saved: its position in the ring, and its size
WAIT_S = 0.01  # between two looks at whether there is an end to it, in a ring where nothing comes


class FloodConsumer:
    """Reads a ring until it is told that nothing more comes.

    Args:
        ring: descriptor of the ring that `reader` has mapped.
        expecting: whether more may come.
        interrupted: asked after each piece was saved, with the position after it, before that is written.
            It may take its time, or end this process.
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
        """Take everything that comes, as it lies in the ring, and append it to a file."""
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with select.epoll() as epoll:
            epoll.register(self._ring, select.EPOLLIN)
            expecting = True
            while self._take(file) or expecting:
                # asked before the last look at the ring: what came until then is still taken
                expecting = self._expecting()
                epoll.poll(WAIT_S if expecting else 0)
        os.close(file)

    def _take(self, file: int) -> bool:
        start = self._reader.consumer
        records = self._reader.unread()
        taken = committed(records)
        if not taken:
            return False
        os.writev(file, [ENTRY.pack(start, taken), records[:taken]])
        self._interrupted(start + taken)
        self._reader.seek(start + taken)
        return True


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def saved(path: Path) -> Iterator[tuple[int, memoryview]]:
    """The pieces that a consumer saved: position in the ring, and the records as they lay there."""
    content = memoryview(path.read_bytes())
    at = 0
    while at < len(content):
        position, size = ENTRY.unpack_from(content, at)
        at += ENTRY.size + size
        yield position, content[at - size : at]
