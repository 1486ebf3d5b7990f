"""A reader of the mapped pages of a ring buffer, headers included. It does not use libbpf's reader.

Layout, from kernel/bpf/ringbuf.c: the consumer position in page 0, the producer position in page 1, then the
data twice in a row, so that a record across the end of the ring is contiguous. The header of a record has its
length with two flag bits, and the page offset, which only the kernel uses.

Reads need acquire semantics. Plain memory accesses have them on x86 and s390x only.
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

# In an emulated guest, the digest of 16 MiB takes 0.1 s, and mapping a ring of 32 MiB takes 0.02 s.
MAX_PAYLOAD_IN_HEX = 256
MAX_DIGESTED = 1 << 16
MAX_MAPPED_RING = 1 << 20


def payload_text(payload: bytes, size: int | None = None) -> str:
    """Return a payload for the host: in hex, or, if it is long, its size and a digest of its beginning.

    Args:
        payload: at least the first MAX_DIGESTED bytes.
        size: of the whole payload, if it is longer.
    """
    size = len(payload) if size is None else size
    if size <= MAX_PAYLOAD_IN_HEX:
        return payload.hex()
    return f"{size} bytes, sha256 {hashlib.sha256(payload[:MAX_DIGESTED]).hexdigest()}"


@dataclass(frozen=True)
class RawRecord:
    """A record in the ring.

    Attributes:
        payload: in the form of `payload_text`.
        times: number of equal records in a row, this one included.
    """

    position: int
    header: int
    page_offset: int
    payload: str
    times: int

    def reply(self) -> dict[str, Any]:
        """Return the record for the host."""
        return {
            "position": self.position,
            "header": self.header,
            "page_offset": self.page_offset,
            "payload": self.payload,
            "times": self.times,
        }


class RawReader:
    """Maps a ring of `size` bytes. If it is larger than MAX_MAPPED_RING, each read maps the data it needs.

    A ring with BPF_F_RB_OVERWRITE has two more positions on the producer's page (v6.19): `pending`, the first
    record that may be busy, and `overwrite`, the oldest record that is not overwritten.
    """

    def __init__(self, ring: int, size: int, *, overwrites: bool = False) -> None:
        self._ring = ring
        self._size = size
        self._overwrites = overwrites
        page = mmap.PAGESIZE
        data = 2 * size if size <= MAX_MAPPED_RING else 0
        self._consumer = mmap.mmap(ring, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer = mmap.mmap(ring, page + data, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)

    def close(self) -> None:
        """Unmap the ring."""
        self._consumer.close()
        self._producer.close()

    @property
    def consumer(self) -> int:
        """The consumer position in the ring."""
        return int(POSITION.unpack_from(self._consumer)[0])

    def seek(self, position: int) -> None:
        """Write the consumer position."""
        POSITION.pack_into(self._consumer, 0, position)

    @property
    def producer(self) -> int:
        """The producer position in the ring."""
        return int(POSITION.unpack_from(self._producer)[0])

    def unread(self) -> memoryview:
        """Return the bytes from the consumer to the producer position, busy records included.

        The ring must not be larger than MAX_MAPPED_RING.
        """
        start, size = self.consumer, self.producer - self.consumer
        offset = mmap.PAGESIZE + start % self._size
        return memoryview(self._producer)[offset : offset + size]

    @property
    def _overwrite(self) -> int:
        return int(POSITION.unpack_from(self._producer, 2 * POSITION.size)[0])

    def overwriting(self) -> dict[str, Any]:
        """Return the extra positions of a ring that overwrites, and the header at the consumer position.

        Return nothing for other rings.
        """
        if not self._overwrites:
            return {}
        return {
            "pending": POSITION.unpack_from(self._producer, POSITION.size)[0],
            "overwrite": self._overwrite,
            "at_consumer": self._bytes(self.consumer, HEADER.size).hex(),
        }

    def peek(self) -> list[RawRecord]:
        """Return every record from the consumer to the producer position, in any state, without consuming it.

        Overwritten records are left out.
        """
        records = []
        position, end = self.consumer, self.producer
        if self._overwrites:
            position = max(position, self._overwrite)
        while position < end:
            header, page_offset = HEADER.unpack(self._bytes(position, HEADER.size))
            length = header & ~(BUSY | DISCARDED)
            times = self._times(position, footprint(length), end)
            payload = self._payload_text(position + HEADER.size, length)
            records.append(RawRecord(position, header, page_offset, payload, times))
            position += times * footprint(length)
        return records

    def _times(self, position: int, size: int, end: int) -> int:
        """Return the number of equal records in a row, starting at `position`.

        Args:
            size: bytes of the record in the ring.
        """
        if size > MAX_PAYLOAD_IN_HEX:
            return 1
        whole = min(end - position, MAX_MAPPED_RING) // size
        octets = self._bytes(position, whole * size)
        first = octets[:size]
        if octets == first * whole:  # fast path: most full rings hold equal records
            return whole
        return next(n for n in range(whole) if octets[n * size : (n + 1) * size] != first)

    def _payload_text(self, position: int, length: int) -> str:
        return payload_text(self._bytes(position, min(length, MAX_DIGESTED)), length)

    def _bytes(self, position: int, size: int) -> bytes:
        """Return a copy of `size` bytes at a position."""
        page, offset = mmap.PAGESIZE, position % self._size
        if self._size <= MAX_MAPPED_RING:
            return self._producer[page + offset : page + offset + size]
        begin = offset % page
        pages = (self._ring, begin + size, mmap.MAP_SHARED, mmap.PROT_READ)
        with closing(mmap.mmap(*pages, offset=2 * page + offset - begin)) as window:
            return window[begin:]
