"""A second, independent reader of the ring buffer: the mapped pages themselves, headers and all.

Layout (kernel/bpf/ringbuf.c): page 0 holds the consumer position, page 1 the producer position, then the
data, mapped twice in a row so that a record that crosses the end of the ring can be read in one piece. A
record has a header of eight bytes: length with two flag bits, and the page offset, which is private to
the kernel.

Reading needs acquire semantics, which plain memory access has on x86 and s390x only.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from dynptr_harness.protocol.ring import BUSY, DISCARDED, footprint

HEADER = struct.Struct("II")
POSITION = struct.Struct("L")
TOLD_WHOLE = 256
DIGESTED = 1 << 16  # bytes; of 16 MiB a digest takes a tenth of a second in an emulated guest
MAPPED_WHOLE = 1 << 20  # bytes; to map a ring of 32 MiB takes a fiftieth


def told(payload: bytes, size: int | None = None) -> str:
    """A payload for the host: its bytes in hex, or its size and a digest of its beginning if it is long.

    Args:
        size: of the payload, of which only the beginning is given.
    """
    size = len(payload) if size is None else size
    if size <= TOLD_WHOLE:
        return payload.hex()
    return f"{size} bytes, sha256 {hashlib.sha256(payload[:DIGESTED]).hexdigest()}"


@dataclass(frozen=True)
class RawRecord:
    """A record as it lies in the ring, and how many like it lie there in a row."""

    position: int
    header: int
    page_offset: int
    payload: str  # as `told` has it
    times: int

    def reply(self) -> dict[str, Any]:
        """The record for the host."""
        return {
            "position": self.position,
            "header": self.header,
            "page_offset": self.page_offset,
            "payload": self.payload,
            "times": self.times,
        }


class RawReader:
    """Maps a ring of `size` bytes; of one that is larger than MAPPED_WHOLE, the data only where it is read.

    A ring that overwrites its oldest records has two more positions on the producer's page: `pending`, before
    which no record is open, and `overwrite`, where the oldest record begins that is still whole (v6.19).
    """

    def __init__(self, ring: int, size: int, *, overwrites: bool = False) -> None:
        self._ring = ring
        self._size = size
        self._overwrites = overwrites
        page = mmap.PAGESIZE
        data = 2 * size if size <= MAPPED_WHOLE else 0
        self._consumer = mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer = mmap.mmap(ring, page + data, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)

    def close(self) -> None:
        """Unmap the ring."""
        self._consumer.close()
        self._producer.close()

    @property
    def consumer(self) -> int:
        """The consumer position."""
        return int(POSITION.unpack_from(self._consumer)[0])

    def seek(self, position: int) -> None:
        """Write the consumer position."""
        POSITION.pack_into(self._consumer, 0, position)

    @property
    def producer(self) -> int:
        """The producer position."""
        return int(POSITION.unpack_from(self._producer)[0])

    def unread(self) -> memoryview:
        """The bytes between the two positions of a ring that is mapped whole, whatever state they are in."""
        start, size = self.consumer, self.producer - self.consumer
        offset = mmap.PAGESIZE + start % self._size
        return memoryview(self._producer)[offset : offset + size]

    @property
    def _overwrite(self) -> int:
        return int(POSITION.unpack_from(self._producer, 2 * POSITION.size)[0])

    def overwriting(self) -> dict[str, Any]:
        """What only a ring that overwrites has: two positions, and what is where a naive reader begins."""
        if not self._overwrites:
            return {}
        return {
            "pending": POSITION.unpack_from(self._producer, POSITION.size)[0],
            "overwrite": self._overwrite,
            "at_consumer": self._bytes(self.consumer, HEADER.size).hex(),
        }

    def peek(self) -> list[RawRecord]:
        """Every whole record between consumer and producer position, in any state; nothing is consumed."""
        records = []
        position, end = self.consumer, self.producer
        if self._overwrites:
            position = max(position, self._overwrite)
        while position < end:
            header, page_offset = HEADER.unpack(self._bytes(position, HEADER.size))
            length = header & ~(BUSY | DISCARDED)
            times = self._times(position, footprint(length), end)
            payload = self._told(position + HEADER.size, length)
            records.append(RawRecord(position, header, page_offset, payload, times))
            position += times * footprint(length)
        return records

    def _times(self, position: int, size: int, end: int) -> int:
        """How many records in a row are the same as that of `size` bytes at `position`, itself included."""
        if size > TOLD_WHOLE:
            return 1
        whole = min(end - position, MAPPED_WHOLE) // size
        octets = self._bytes(position, whole * size)
        first = octets[:size]
        if octets == first * whole:  # as most rings are that many records were put into
            return whole
        return next(n for n in range(whole) if octets[n * size : (n + 1) * size] != first)

    def _told(self, position: int, length: int) -> str:
        return told(self._bytes(position, min(length, DIGESTED)), length)

    def _bytes(self, position: int, size: int) -> bytes:
        """A copy of what is at a position."""
        page, offset = mmap.PAGESIZE, position % self._size
        if self._size <= MAPPED_WHOLE:
            return self._producer[page + offset : page + offset + size]
        begin = offset % page
        pages = (self._ring, begin + size, mmap.MAP_SHARED, mmap.PROT_READ)
        with closing(mmap.mmap(*pages, offset=2 * page + offset - begin)) as window:
            return window[begin:]
