"""RSV: what bpf_ringbuf_reserve_dynptr grants and refuses, and what a refused dynptr can do."""

from __future__ import annotations

from errno import E2BIG, EAGAIN, EINVAL

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.base import RING_SIZE, Experiment, footprint
from dynptr_harness.conformance.experiments.script import (
    BUSY,
    DISCARDED,
    FORCE_WAKEUP,
    NO_WAKEUP,
    U32,
    U64,
    Access,
    Act,
    Consume,
    Event,
    Fill,
    Held,
    NewRing,
    Peek,
    Reserve,
    Seek,
    Step,
    Wait,
    Watch,
    refused,
    script,
    submitted,
)

_RESERVE = "kernel/bpf/ringbuf.c, bpf_ringbuf_reserve_dynptr (v5.19, commit bc34dee65a65)"
_SPACE = "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve: new_prod_pos - cons_pos <= mask (v5.8, 457f44363a88)"
_PENDING = "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve: new_prod_pos - pend_pos (v6.10, cfa1a2329a69)"
_SIZE = "kernel/bpf/helpers.c, bpf_dynptr_check_size (v5.19, commit 263ae152e962)"
_NULL = "kernel/bpf/helpers.c, bpf_dynptr_{read,write,data}: !ptr->data (v5.19, commit 34d4ef5775f7)"
_RELEASE = (
    "kernel/bpf/ringbuf.c, bpf_ringbuf_{submit,discard}_dynptr: !ptr->data (v5.19, commit bc34dee65a65)"
)

# kernel/bpf/helpers.c: three bytes of a dynptr hold its size
DYNPTR_MAX_SIZE = (1 << 24) - 1
MIB = 1 << 20


def _largest(ring_size: int, lag: int = 0) -> int:
    """The largest payload with the consumer `lag` bytes behind: one byte of the ring is never used."""
    return ring_size - 16 - lag


def _limits(*ring_sizes: int) -> Experiment:
    """On each ring the largest payload is granted and one byte more is not."""
    acts: list[Act] = []
    for size in ring_sizes:
        largest = _largest(size)
        acts += [NewRing(size)] if acts else []
        acts.append(Event((refused(Reserve(largest + 1, errno=EINVAL)), Step((Reserve(largest),)))))
    return script(*acts, ring_size=ring_sizes[0])


def _lags(*lags: int) -> Experiment:
    """With the consumer that far behind, what is left is granted and one byte more is not.

    Then it catches up, so that the next lag begins somewhere else in the ring.
    """
    acts: list[Act] = []
    for lag in lags:
        behind = Step((Reserve(lag - 8),))
        left = _largest(RING_SIZE, lag)
        more = refused(Reserve(max(left + 1, 0), errno=EINVAL))
        acts += [Event((behind, more, *([Step((Reserve(left),))] if left >= 0 else []))), Seek()]
    return script(*acts)


def _fills(*payloads: int, release: str = "submit") -> Experiment:
    """Records of one size until the ring is full: as many as fit into one byte less than the ring.

    Those of the last size are taken by the consumers; of the others the raw reader sees the headers.
    """
    acts: list[Act] = []
    for payload in payloads:
        fit = (RING_SIZE - 1) // footprint(payload)
        header = payload if release == "submit" else payload | DISCARDED
        acts += [NewRing(), Event(fill=Fill(Reserve(payload, release=release), 640, fit, EINVAL))]
        acts.append(Peek((header,) * fit))
    return script(*acts[1:], Consume((payload,) * fit if release == "submit" else ()))


def _null_accesses(*accesses: Access) -> Experiment:
    """A failed reservation of each of three kinds, then the accesses, all on null dynptrs."""
    kinds = (Reserve(8, 1, EINVAL), Reserve(U32 - 1, 0, E2BIG), Reserve(RING_SIZE, 0, EINVAL))
    return script(Event(tuple(Step((kind,), accesses, b"no room!") for kind in kinds)), Consume(()))


def _null_releases(release: str) -> Experiment:
    """Null dynptrs released with any flags: nothing arrives, nothing moves, nobody wakes."""
    flags = (0, NO_WAKEUP, FORCE_WAKEUP)
    return script(
        Watch(),
        Event(tuple(refused(Reserve(8, 1, EINVAL, release, wake)) for wake in flags)),
        Wait(woken=False),
        Peek(()),
        Event((submitted(b"submitted after null ones"),)),
        Wait(woken=True),
        Consume((b"submitted after null ones",)),
    )


def _skipped(second: Reserve) -> Experiment:
    """The consumer skips an open reservation of 3000 bytes; then come a second, its release, and a third."""
    third = () if second.errno else (2000,)
    return script(
        Held((Reserve(3000, release="discard"), second), after_a=(Seek(),)),
        Event((Step((Reserve(2000),)),)),
        Consume((*third, 2000)),
        by="held_steps",
    )


# Asked once for both rows about it: a ring that has room for both takes long to make.
_AROUND_THE_LIMIT = script(
    Event((refused(Reserve(DYNPTR_MAX_SIZE + 1, errno=E2BIG)),)),
    Peek(()),
    Event((Step((Reserve(DYNPTR_MAX_SIZE),)),)),
    Peek((DYNPTR_MAX_SIZE,)),
    ring_size=32 * MIB,
)

CASES = (
    Case(
        "RSV-001",
        "eight bytes of an empty ring are granted and take sixteen, busy until they are released",
        script(
            Held((Reserve(8),), after_a=(Peek((BUSY | 8,), page_offset=3),)),
            Peek((8,), page_offset=3),
            Consume((8,)),
            by="held_steps",
        ),
        _RESERVE,
        loaders=("libbpf",),
    ),
    Case(
        "RSV-002",
        "a reservation of nothing is granted, takes eight bytes, and arrives as a record of no length",
        script(
            Event(
                (
                    Step(
                        (Reserve(0),),
                        (
                            Access("slice", 1, 0),
                            Access("write", 0, 0),
                            Access("read", 0, 0),
                            Access("write", -E2BIG, 8),
                        ),
                    ),
                )
            ),
            Peek((0,)),
            Consume((b"",)),
        ),
        _RESERVE,
    ),
    Case(
        "RSV-003",
        "sizes 1, 7, 8, 9, 16 take 16, 16, 16, 24, 24 bytes, and the header keeps the exact size",
        script(
            Event((Step((Reserve(1), Reserve(7), Reserve(8))), Step((Reserve(9), Reserve(16))))),
            Peek((1, 7, 8, 9, 16)),
            Consume((1, 7, 8, 9, 16)),
        ),
        _SPACE,
    ),
    Case(
        "RSV-004",
        "in an empty ring, ring size - 16 is granted",
        script(
            Event((Step((Reserve(RING_SIZE - 16),)),)), Peek((RING_SIZE - 16,)), Consume((RING_SIZE - 16,))
        ),
        _SPACE,
    ),
    Case(
        "RSV-005",
        "in an empty ring, ring size - 15 to ring size - 8 are refused with -EINVAL, the dynptr is null",
        script(
            Event(
                (
                    *(
                        Step(tuple(Reserve(RING_SIZE - less, errno=EINVAL) for less in three))
                        for three in ((15, 14, 13), (12, 11, 10), (9, 8))
                    ),
                    refused(Reserve(RING_SIZE - 15, errno=EINVAL)),
                )
            ),
            Peek(()),
        ),
        _SPACE,
    ),
    Case(
        "RSV-006",
        "a record larger than the ring is refused with -EINVAL, the dynptr is null",
        script(
            Event(
                tuple(
                    refused(Reserve(size, errno=EINVAL))
                    for size in (RING_SIZE - 7, RING_SIZE, DYNPTR_MAX_SIZE)
                )
            ),
            Peek(()),
        ),
        _SPACE,
    ),
    Case(
        "RSV-007",
        "rings of 8 KiB, 64 KiB and 16 MiB grant their size - 16 and not one byte more",
        _limits(8192, 65536, 16 * MIB),
        _SPACE,
    ),
    Case(
        "RSV-008",
        "a ring of 32 MiB grants the largest size of a dynptr",
        _AROUND_THE_LIMIT,
        _SIZE,
    ),
    Case(
        "RSV-009",
        "one byte above the limit of a dynptr is refused with -E2BIG, though the ring has room",
        _AROUND_THE_LIMIT,
        _SIZE,
    ),
    Case(
        "RSV-010",
        "sizes around the limit of a record and the largest u32 are refused with -E2BIG",
        script(
            Event(tuple(refused(Reserve(size, errno=E2BIG)) for size in (0x3FFFFFFF, 0x40000000, U32 - 1))),
            Peek(()),
        ),
        _SIZE,
    ),
    Case(
        "RSV-011",
        "flags other than 0, in any of their 64 bits, are refused with -EINVAL, the dynptr is null",
        script(
            Event(tuple(refused(Reserve(8, flags, EINVAL)) for flags in (1, 2, 4))),
            Event(tuple(refused(Reserve(8, flags, EINVAL)) for flags in (U32, U64 - 1))),
            Peek(()),
        ),
        _RESERVE,
    ),
    Case(
        "RSV-012",
        "flags are looked at before the size: both wrong is -EINVAL",
        script(Event((refused(Reserve(32 * MIB, 1, EINVAL)),)), Peek(())),
        _RESERVE,
    ),
    Case(
        "RSV-013",
        "with the consumer behind, the largest payload is what is left of ring size - 16",
        _lags(8, 16, 24, 2048, 4064, 4072, 4080, 4088),
        _SPACE,
    ),
    Case(
        "RSV-014",
        "a ring takes as many records as fit into its size - 1, and refuses the next with -EINVAL",
        _fills(0, 8, 16, 24, 32, 40, 48, 56, 64),
        _SPACE,
    ),
    Case(
        "RSV-015",
        "a full ring grants again once the consumer has moved on",
        script(
            Event(fill=Fill(Reserve(8), 640, 255, EINVAL)),
            Event((refused(Reserve(8, errno=EINVAL)),)),
            Consume((8,) * 255),
            Event((submitted(b"room now"),)),
            Consume((b"room now",)),
        ),
        _SPACE,
    ),
    Case(
        "RSV-016",
        "the size is a u32: the upper half of the register is ignored",
        script(Event((Step((Reserve(U32 + 8), Reserve(16 * U32))),)), Peek((8, 0)), Consume((8, 0))),
        "include/uapi/linux/bpf.h: u32 size; BPF_CALL_4 casts its arguments",
    ),
    Case(
        "RSV-017",
        "two reservations that together fill the ring to its last byte but eight are both granted",
        script(Event((Step((Reserve(2040), Reserve(2032))),)), Consume((2040, 2032))),
        _SPACE,
    ),
    Case(
        "RSV-018",
        "a second reservation that needs the ring's last eight bytes too is refused, the first stays",
        script(Event((Step((Reserve(2040), Reserve(2040, errno=EINVAL))),)), Consume((2040,))),
        _SPACE,
    ),
    Case(
        "RSV-019",
        "behind 4072 bytes nothing fits but a record of no length; behind 4080 not even that",
        script(
            Event((Step((Reserve(4072), Reserve(0))),)),
            Consume((4072, 0)),
            NewRing(),
            Event((Step((Reserve(4080), Reserve(0, errno=EINVAL))),)),
            Consume((4080,)),
        ),
        _SPACE,
    ),
    Case(
        "RSV-020",
        "a consumer that skips an open reservation gives no room for it, until it is released",
        _skipped(Reserve(2000, errno=EINVAL)),
        _PENDING,
        (
            Difference(
                _skipped(Reserve(2000)),
                "before v6.10 and its fix in the stable series, an open reservation could be overwritten; "
                "commit cfa1a2329a69",
                before=(6, 10),
                defect=True,
            ),
        ),
        loaders=("libbpf",),
    ),
    Case(
        "RSV-021",
        "a consumer position ahead of the producer makes every reservation fail and the data negative",
        script(Seek(ahead=64), Event((refused(Reserve(0, errno=EINVAL)), refused(Reserve(8, errno=EINVAL))))),
        _SPACE,
    ),
    Case(
        "RSV-022",
        "discarded records take their room until the consumer passes them, as submitted ones do",
        _fills(8, release="discard"),
        _SPACE,
    ),
    Case(
        "RSV-025",
        "on a full ring bpf_ringbuf_reserve gives NULL, bpf_ringbuf_output -EAGAIN, reserve_dynptr -EINVAL",
        script(
            Event(fill=Fill(Reserve(8), 640, 255, EINVAL)),
            Event(
                (
                    Step(
                        (Reserve(8, errno=EINVAL),),
                        (Access("plain-reserve", 0), Access("plain-output", -EAGAIN)),
                        b"no room!",
                    ),
                )
            ),
            Consume((8,) * 255),
        ),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_reserve and bpf_ringbuf_output (v5.8, commit 457f44363a88)",
    ),
    Case(
        "RSV-026",
        "a ring found in an array of maps takes reservations, and records land in that ring",
        script(
            Event((submitted(b"in the first ring"),)),
            Consume((b"in the first ring",)),
            NewRing(),
            Event((submitted(b"in the second ring"),)),
            Consume((b"in the second ring",)),
        ),
        _RESERVE,
    ),
    Case(
        "RSV-030",
        "writing to a null dynptr gives -EINVAL at any offset and length, also none",
        _null_accesses(
            *(
                Access("write", -EINVAL, length, offset)
                for length, offset in ((0, 0), (8, 0), (8, 9), (0, 1), (64, U32))
            )
        ),
        _NULL,
    ),
    Case(
        "RSV-031",
        "reading from a null dynptr gives -EINVAL at any length, also none",
        _null_accesses(*(Access("read", -EINVAL, length) for length in (0, 1, 8, 64))),
        _NULL,
    ),
    Case(
        "RSV-032",
        "a slice of a null dynptr is NULL at any length, also none",
        _null_accesses(*(Access("slice", 0, length) for length in (0, 1, 4, 8, 16))),
        _NULL,
    ),
    Case(
        "RSV-033",
        "submitting the null dynptr of a failed reservation, with any flags, does nothing and wakes nobody",
        _null_releases("submit"),
        _RELEASE,
    ),
    Case(
        "RSV-034",
        "discarding the null dynptr of a failed reservation, with any flags, does nothing and wakes nobody",
        _null_releases("discard"),
        _RELEASE,
    ),
)
