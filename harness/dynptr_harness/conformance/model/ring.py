"""A ring buffer: memory, positions, records, and the wake-up of a waiting epoll instance.

The rules are those of kernel/bpf/ringbuf.c (v5.8, commit 457f44363a88) and Documentation/bpf/ringbuf.rst.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dynptr_harness.conformance.model.octets import Octets
from dynptr_harness.protocol.ring import BUSY, DISCARDED, HEADER_BYTES, footprint

NO_WAKEUP, FORCE_WAKEUP = 1, 2
PAGE = 4096
FIRST_DATA_PAGE = 3  # after the kernel's own page and the pages of the two positions
MAX_RECORD = (1 << 32) // 4 - 1  # RINGBUF_MAX_RECORD_SZ
U64 = 1 << 64

AVAIL_DATA, RING_SIZE, CONS_POS, PROD_POS, OVERWRITE_POS = range(5)  # flags of bpf_ringbuf_query


@dataclass(eq=False)
class Record:
    """A reservation, then a submitted or discarded record, at `position` of the ring.

    Attributes:
        end: position of the next record.
    """

    position: int
    size: int
    busy: bool = True
    discarded: bool = False
    end: int = field(init=False)

    def __post_init__(self) -> None:
        self.end = self.position + footprint(self.size)

    @property
    def header(self) -> int:
        """The length with its flag bits, as in memory."""
        return self.size | BUSY * self.busy | DISCARDED * self.discarded


@dataclass
class Ring:
    """A ring buffer of `size` bytes.

    Attributes:
        consumer, producer, pending, overwrite: positions. They only grow, except that user space may write
            any consumer position. Records before `pending` are not open, those before `overwrite` are lost.
        new: False if the ring has been used, so that its old bytes are unknown.
        ready: epoll has the ring on its ready list. None without an epoll instance.
    """

    size: int
    overwrites: bool = False
    pending_position: bool = True
    new: bool = True
    consumer: int = 0
    producer: int = 0
    pending: int = 0
    overwrite: int = 0
    records: deque[Record] = field(default_factory=deque)
    edge_triggered: bool = False
    ready: bool | None = None

    def __post_init__(self) -> None:
        self.memory = Octets.zero(self.size) if self.new else Octets.unknown(self.size)

    @property
    def available(self) -> int:
        """Bytes between the positions, as the kernel counts them: unsigned."""
        return (self.producer - max(self.consumer, self.overwrite)) % U64

    def query(self, what: int) -> int:
        """Return the answer of bpf_ringbuf_query as a signed number."""
        answers = {
            AVAIL_DATA: self.available,
            RING_SIZE: self.size,
            CONS_POS: self.consumer,
            PROD_POS: self.producer,
            OVERWRITE_POS: self.overwrite,
        }
        answer = answers.get(what, 0)
        return answer - U64 if answer >= U64 // 2 else answer

    def reserve(self, size: int) -> Record | None:
        """Reserve a record, as __bpf_ringbuf_reserve does."""
        if size > MAX_RECORD or footprint(size) > self.size:
            return None
        end = self.producer + footprint(size)
        self._advance_pending()
        if self.pending_position and end - self.pending > self.size - 1:
            return None
        if self.overwrites:
            self._overwrite_until(end)
        elif (end - self.consumer) % U64 > self.size - 1:
            return None
        record = Record(self.producer, size)
        self.producer = end
        while self.records and self.records[0].end <= end - self.size:
            self.records.popleft()
        self.records.append(record)
        self._write_header(record)
        return record

    def commit(self, record: Record, *, discard: bool, flags: int) -> None:
        """Submit or discard a record, and wake epoll if the kernel would."""
        record.busy, record.discarded = False, discard
        self._write_header(record)
        at_consumer = (record.position - self.consumer) % self.size == 0
        if flags & FORCE_WAKEUP or (at_consumer and not flags & NO_WAKEUP):
            self._wake()

    def _write_header(self, record: Record) -> None:
        words = record.header.to_bytes(4, "little") + self.page_offset(record).to_bytes(4, "little")
        self.memory.put(record.position, Octets.of(words))

    def page_offset(self, record: Record) -> int:
        """Return the second word of a header: pages from the kernel's own page to the header."""
        return FIRST_DATA_PAGE + record.position % self.size // PAGE

    def payload(self, record: Record, offset: int = 0, length: int | None = None) -> Octets:
        """Return bytes of a record. They may wrap around the end of the ring."""
        return self.memory.get(
            record.position + HEADER_BYTES + offset, record.size if length is None else length
        )

    def write(self, record: Record, offset: int, data: Octets) -> None:
        """Write bytes into a record."""
        self.memory.put(record.position + HEADER_BYTES + offset, data)

    @property
    def readable(self) -> bool:
        """True if the consumer position is at a record boundary. Elsewhere a consumer reads garbage."""
        return self.consumer >= self.producer or any(each.position == self.consumer for each in self.records)

    def unread(self) -> list[Record]:
        """Return the records between the consumer and the producer position, in order."""
        start = max(self.consumer, self.overwrite)
        return [record for record in self.records if record.position >= start]

    def consume(self) -> list[Record]:
        """Return the submitted records up to the first open one, and move the consumer position."""
        taken = []
        for record in self.unread():
            if record.busy:
                break
            if not record.discarded:
                taken.append(record)
            self.consumer = record.end
        return taken

    def watch(self, *, edge_triggered: bool) -> None:
        """Add the ring to a new epoll instance, which checks once for data."""
        self.edge_triggered = edge_triggered
        self.ready = self.available != 0

    def wait(self) -> bool:
        """Return True if epoll_wait(2) reports the ring. It polls a ring on the ready list again."""
        reported = bool(self.ready) and self.available != 0
        self.ready = reported and not self.edge_triggered
        return reported

    def _wake(self) -> None:
        if self.ready is not None:
            self.ready = True

    def _advance_pending(self) -> None:
        """Move the pending position past all records that are not open."""
        for record in self.records:
            if record.position == self.pending:
                if record.busy:
                    break
                self.pending = record.end

    def _overwrite_until(self, end: int) -> None:
        """Drop the oldest records to make room for one that ends at `end` (v6.19)."""
        for record in self.records:
            if end - self.overwrite <= self.size - 1:
                break
            if record.position == self.overwrite:
                self.overwrite = record.end
