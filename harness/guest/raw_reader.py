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
from dataclasses import dataclass
from typing import Any

BUSY, DISCARD = 1 << 31, 1 << 30  # BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT
HEADER = struct.Struct("II")
POSITION = struct.Struct("L")
TOLD_WHOLE = 256
DIGESTED = 1 << 16  # bytes; of 16 MiB a digest takes a tenth of a second in an emulated guest


def footprint(size: int) -> int:
    """Bytes that a record of `size` takes in the ring."""
    return (size + HEADER.size + 7) & ~7


def told(payload: bytes | memoryview) -> str:
    """A payload for the host: its bytes in hex, or its size and a digest of its beginning if it is long."""
    if len(payload) <= TOLD_WHOLE:
        return payload.hex()
    return f"{len(payload)} bytes, sha256 {hashlib.sha256(payload[:DIGESTED]).hexdigest()}"


@dataclass(frozen=True)
class RawRecord:
    """A record as it lies in the ring."""

    position: int
    header: int
    page_offset: int
    payload: str  # as `told` has it

    def reply(self) -> dict[str, Any]:
        """The record for the host."""
        return {
            "position": self.position,
            "header": self.header,
            "page_offset": self.page_offset,
            "payload": self.payload,
        }


class RawReader:
    """Maps a ring of `size` bytes.

    A ring that overwrites its oldest records has two more positions on the producer's page: `pending`, before
    which no record is open, and `overwrite`, where the oldest record begins that is still whole (v6.19).
    """

    def __init__(self, ring: int, size: int, *, overwrites: bool = False) -> None:
        self._size = size
        self._overwrites = overwrites
        page = mmap.PAGESIZE
        self._consumer = mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer = mmap.mmap(ring, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)

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
        """The bytes between consumer and producer position, in one piece, whatever state they are in."""
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
        offset = mmap.PAGESIZE + self.consumer % self._size
        return {
            "pending": POSITION.unpack_from(self._producer, POSITION.size)[0],
            "overwrite": self._overwrite,
            "at_consumer": self._producer[offset : offset + HEADER.size].hex(),
        }

    def peek(self) -> list[RawRecord]:
        """Every whole record between consumer and producer position, in any state; nothing is consumed."""
        records = []
        position, end = self.consumer, self.producer
        if self._overwrites:
            position = max(position, self._overwrite)
        while position < end:
            offset = mmap.PAGESIZE + position % self._size
            header, page_offset = HEADER.unpack_from(self._producer, offset)
            length = header & ~(BUSY | DISCARD)
            records.append(RawRecord(position, header, page_offset, self._told(offset + HEADER.size, length)))
            position += footprint(length)
        return records

    def _told(self, offset: int, length: int) -> str:
        if length <= TOLD_WHOLE:
            return self._producer[offset : offset + length].hex()
        # without a copy: of 16 MiB that takes as long as a digest
        with memoryview(self._producer) as pages, pages[offset : offset + length] as payload:
            return told(payload)
