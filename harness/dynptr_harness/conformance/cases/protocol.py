"""CON: guarantees for a consumer in user space, and its duties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.base import RING_SIZE, Finding, each_of
from dynptr_harness.conformance.experiments.script import (
    FORCE_WAKEUP,
    NO_WAKEUP,
    PROD_POS,
    Access,
    Consume,
    Event,
    Fill,
    Peek,
    Poll,
    Reserve,
    Seek,
    Step,
    Wait,
    Watch,
    discarded,
    script,
    submitted,
)
from dynptr_harness.protocol.ring import DISCARDED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.conformance.experiments.base import Experiment, Reply

_COMMIT = "kernel/bpf/ringbuf.c, bpf_ringbuf_commit (v5.8, commit 457f44363a88)"
_RESERVE = "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve (v5.8, commit 457f44363a88)"
_POLL = "kernel/bpf/ringbuf.c, ringbuf_map_poll_kern: readable while there is data (v5.8, 457f44363a88)"


@dataclass(frozen=True)
class PeekAt(Peek):
    """The records in the ring and their positions, counted from the creation of the ring.

    Attributes:
        at: position of each record, in bytes.
        producer: the producer position.
        pages: page offset in each header.
    """

    new_ring: ClassVar[bool] = True
    at: tuple[int, ...] = ()
    producer: int = 0
    pages: tuple[int, ...] = ()

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield from super().findings(seen)
        records = each_of(seen["records"])
        yield Finding("positions of the records", list(self.at), [record["position"] for record in records])
        yield Finding("producer position", self.producer, seen["producer"])
        if self.pages:
            pages = [record["page_offset"] for record in records]
            yield Finding("page offsets", list(self.pages), pages)


def _row(number: int, title: str, experiment: Experiment, source: str) -> Case:
    """Return a row about user space. All types write the same records, so it runs in one type."""
    return Case(f"CON-{number:03}", title, experiment, source, types=("SYSCALL",))


# Every size of padding, and some sizes around cache lines.
_PAYLOADS = tuple(bytes([0xA0 + size]) * size for size in (1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 33, 63))
_LAP = Fill(Reserve(8), 255, 255)


CASES = (
    _row(
        5,
        "a consumer skips discarded records in any place and advances its position past them",
        script(
            Event((discarded(b"first"), submitted(b"second"), discarded(b"third"), submitted(b"fourth"))),
            Peek((DISCARDED | 5, 6, DISCARDED | 5, 6)),
            Consume((b"second", b"fourth")),
            Event((discarded(b"last"),)),
            Consume(()),
            Event((submitted(b"after that"),)),
            Consume((b"after that",)),
        ),
        _COMMIT,
    ),
    _row(
        6,
        "the next record starts at the next multiple of 8, whatever the length of the previous one",
        script(
            *(Event(tuple(submitted(one) for one in _PAYLOADS[i : i + 4])) for i in (0, 4, 8)),
            Peek(tuple(map(len, _PAYLOADS))),
            Consume(_PAYLOADS),
        ),
        _RESERVE,
    ),
    _row(
        7,
        "a delivered record has the reserved length, even 0, without the old bytes behind it",
        script(
            Event((submitted(b"\x5a" * 64), submitted(b"\x5a" * 64))),
            Consume((b"\x5a" * 64, b"\x5a" * 64)),
            Seek(),
            Event(fill=Fill(Reserve(8), 240, 240)),
            Seek(),
            Event((submitted(b""), submitted(b"one"), submitted(b""), submitted(b"three"))),
            Consume((b"", b"one", b"", b"three")),
        ),
        _RESERVE,
    ),
    _row(
        9,
        "the positions do not wrap at the ring size, so a full ring differs from an empty one",
        script(
            Event(fill=_LAP),
            Seek(),
            Event(fill=_LAP),
            Consume((8,) * 255),
            Event((Step((Reserve(0),), (Access("query", 2 * 4080 + 8, flags=PROD_POS),)),)),
            PeekAt((0,), at=(8160,), producer=8168),
            Consume((b"",)),
        ),
        _RESERVE,
    ),
    _row(
        12,
        "two consumers share one position: a record that one has passed never reaches the other",
        script(
            Event((submitted(b"for the other"), submitted(b"for the other"))),
            Seek(),
            Event((submitted(b"for this one"),)),
            Consume((b"for this one",)),
        ),
        "kernel/bpf/ringbuf.c: the kernel only reads the consumer position (v5.8, commit 457f44363a88)",
    ),
    _row(
        13,
        "records without a wake-up are available before the first wait and after any later one",
        script(
            Event((submitted(b"before the first wait", NO_WAKEUP),)),
            Consume((b"before the first wait",)),
            Watch(),
            Event((submitted(b"announced"), submitted(b"not announced", NO_WAKEUP))),
            Wait(woken=True),
            Consume((b"announced", b"not announced")),
            Wait(woken=False),
            Event((submitted(b"never announced", NO_WAKEUP),)),
            Wait(woken=False),
            Consume((b"never announced",)),
        ),
        _COMMIT,
    ),
    _row(
        15,
        "poll(2) reports a ring as readable even if it contains only discarded records",
        script(
            Event((discarded(b"nothing", NO_WAKEUP),)),
            Poll(readable=True),
            Watch(),
            Wait(woken=True),
            Consume(()),
            Poll(readable=False),
            Wait(woken=False),
        ),
        _POLL,
    ),
    _row(
        16,
        "edge-triggered epoll reports no new record until the consumer has read to the end",
        script(
            Watch(edge=True),
            Event((submitted(b"consumed"), submitted(b"left"))),
            Wait(woken=True),
            Seek(ahead=-16),  # after the first of two records of 16 bytes
            Event((submitted(b"another"),)),
            Wait(woken=False),
            Consume((b"left", b"another")),
            Event((submitted(b"announced again"),)),
            Wait(woken=True),
        ),
        _COMMIT,
    ),
    _row(
        18,
        "the second half of a header is the record's page offset, which only the kernel needs",
        script(
            Event((Step((Reserve(RING_SIZE - 8), Reserve(8))),)),
            PeekAt((RING_SIZE - 8, 8), at=(0, RING_SIZE), producer=RING_SIZE + 16, pages=(3, 4)),
            Consume((RING_SIZE - 8, 8)),
            ring_size=2 * RING_SIZE,
        ),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_rec_pg_off: three pages before the data (v5.8, 457f44363a88)",
    ),
    _row(
        19,
        "a wake-up may come without a record, and one wake-up may stand for many records",
        script(
            Watch(edge=True),
            Event((discarded(b"nothing"),)),
            Wait(woken=True),
            Consume(()),
            Event(tuple(submitted(b"one of three", FORCE_WAKEUP) for _ in range(3))),
            Wait(woken=True),
            Consume((b"one of three",) * 3),
            Wait(woken=False),
        ),
        _COMMIT,
    ),
)
