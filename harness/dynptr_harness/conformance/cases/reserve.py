"""RSV: reservations, their limits and errors, and null dynptrs."""

from __future__ import annotations

from errno import E2BIG, EAGAIN, EINVAL

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.base import RING_SIZE, Experiment
from dynptr_harness.conformance.experiments.script import (
    CONS_POS,
    FORCE_WAKEUP,
    NO_WAKEUP,
    PROD_POS,
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
from dynptr_harness.protocol.ring import BUSY, DISCARDED, footprint

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
    """Return the largest payload if the consumer lags by `lag` bytes. One byte of the ring is never used."""
    return ring_size - 16 - lag


def _limits(*ring_sizes: int) -> Experiment:
    """In each ring, reserve one byte too many, which fails, and then the largest payload."""
    acts: list[Act] = []
    for size in ring_sizes:
        largest = _largest(size)
        acts += [NewRing(size)] if acts else []
        acts.append(Event((refused(Reserve(largest + 1, errno=EINVAL)), Step((Reserve(largest),)))))
    return script(*acts, ring_size=ring_sizes[0])


def _lags(*lags: int) -> Experiment:
    """For each lag of the consumer, reserve one byte too many, which fails, and then the rest.

    The consumer then catches up, so the next lag starts elsewhere in the ring.
    """
    acts: list[Act] = []
    for lag in lags:
        behind = Step((Reserve(lag - 8),))
        left = _largest(RING_SIZE, lag)
        more = refused(Reserve(max(left + 1, 0), errno=EINVAL))
        acts += [Event((behind, more, *([Step((Reserve(left),))] if left >= 0 else []))), Seek()]
    return script(*acts)


def _fills(*payloads: int, release: str = "submit") -> Experiment:
    """For each size, fill a ring with records: as many as fit into one byte less than the ring.

    The consumers read the records of the last size. The raw reader checks the headers of all.
    """
    acts: list[Act] = []
    for payload in payloads:
        fit = (RING_SIZE - 1) // footprint(payload)
        header = payload if release == "submit" else payload | DISCARDED
        acts += [NewRing(), Event(fill=Fill(Reserve(payload, release=release), 640, fit, EINVAL))]
        acts.append(Peek((header,) * fit))
    return script(*acts[1:], Consume((payload,) * fit if release == "submit" else ()))


def _null_accesses(*accesses: Access) -> Experiment:
    """Access null dynptrs, after reservations that failed for three different reasons."""
    kinds = (Reserve(8, 1, EINVAL), Reserve(U32 - 1, 0, E2BIG), Reserve(RING_SIZE, 0, EINVAL))
    return script(Event(tuple(Step((kind,), accesses, b"no room!") for kind in kinds)), Consume(()))


def _null_releases(release: str) -> Experiment:
    """Release null dynptrs with any flags: no record, no new position, no wake-up."""
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
    """Skip an open reservation of 3000 bytes, try a second one, release the first, and make a third."""
    third = () if second.errno else (2000,)
    return script(
        Held((Reserve(3000, release="discard"), second), after_a=(Seek(),)),
        Event((Step((Reserve(2000),)),)),
        Consume((*third, 2000)),
        by="held_steps",
    )


# One experiment for two rows: creating a ring of this size takes long.
_AROUND_THE_LIMIT = script(
    Event((refused(Reserve(DYNPTR_MAX_SIZE + 1, errno=E2BIG)),)),
    Peek(()),
    Event((Step((Reserve(DYNPTR_MAX_SIZE),)),)),
    Peek((DYNPTR_MAX_SIZE,)),
    ring_size=32 * MIB,
)


def _past_2_to_32() -> Experiment:
    """Move the positions past 2^32 with discarded records of the largest size, then submit one record."""
    largest = Event(fill=Fill(Reserve(DYNPTR_MAX_SIZE, release="discard"), 1, 1))
    times = U32 // footprint(DYNPTR_MAX_SIZE) + 1
    start = times * footprint(DYNPTR_MAX_SIZE)
    positions = (Access("query", start, flags=CONS_POS), Access("query", start + 16, flags=PROD_POS))
    return script(
        *(largest, Seek()) * times,
        Event((Step((Reserve(8),), (Access("write", 0, 8), *positions), b"the last"),)),
        Consume((b"the last",)),
        ring_size=32 * MIB,
    )


CASES = (
    Case(
        "RSV-001",
        "a reservation of 8 bytes in an empty ring succeeds, takes 16 bytes, and is busy until its release",
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
        "a reservation of 0 bytes succeeds, takes 8 bytes, and arrives as an empty record",
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
        "reservations of 1, 7, 8, 9 and 16 bytes take 16, 16, 16, 24 and 24; the header holds the exact size",
        script(
            Event((Step((Reserve(1), Reserve(7), Reserve(8))), Step((Reserve(9), Reserve(16))))),
            Peek((1, 7, 8, 9, 16)),
            Consume((1, 7, 8, 9, 16)),
        ),
        _SPACE,
    ),
    Case(
        "RSV-004",
        "in an empty ring, a reservation of ring size - 16 bytes succeeds",
        script(
            Event((Step((Reserve(RING_SIZE - 16),)),)), Peek((RING_SIZE - 16,)), Consume((RING_SIZE - 16,))
        ),
        _SPACE,
    ),
    Case(
        "RSV-005",
        "in an empty ring, sizes from ring size - 15 to ring size - 8 fail with -EINVAL and a null dynptr",
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
        "a reservation whose record is larger than the ring fails with -EINVAL and a null dynptr",
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
        "rings of 8 KiB, 64 KiB and 16 MiB accept a reservation of ring size - 16 bytes and not one byte "
        "more",
        _limits(8192, 65536, 16 * MIB),
        _SPACE,
    ),
    Case(
        "RSV-008",
        "a ring of 32 MiB accepts a reservation of 2^24 - 1 bytes, the largest size of a dynptr",
        _AROUND_THE_LIMIT,
        _SIZE,
    ),
    Case(
        "RSV-009",
        "a reservation of 2^24 bytes, one more than a dynptr can hold, fails with -E2BIG even if there is "
        "space",
        _AROUND_THE_LIMIT,
        _SIZE,
    ),
    Case(
        "RSV-010",
        "reservations of 2^30 - 1, 2^30 and 2^32 - 1 bytes fail with -E2BIG",
        script(
            Event(tuple(refused(Reserve(size, errno=E2BIG)) for size in (0x3FFFFFFF, 0x40000000, U32 - 1))),
            Peek(()),
        ),
        _SIZE,
    ),
    Case(
        "RSV-011",
        "flags other than 0, in any of the 64 bits, fail with -EINVAL and a null dynptr",
        script(
            Event(tuple(refused(Reserve(8, flags, EINVAL)) for flags in (1, 2, 4))),
            Event(tuple(refused(Reserve(8, flags, EINVAL)) for flags in (U32, U64 - 1))),
            Peek(()),
        ),
        _RESERVE,
    ),
    Case(
        "RSV-012",
        "the flags are checked before the size: if both are wrong, the error is -EINVAL",
        script(Event((refused(Reserve(32 * MIB, 1, EINVAL)),)), Peek(())),
        _RESERVE,
    ),
    Case(
        "RSV-013",
        "if the consumer lags, the largest reservation is ring size - 16 minus the unconsumed bytes",
        _lags(8, 16, 24, 2048, 4064, 4072, 4080, 4088),
        _SPACE,
    ),
    Case(
        "RSV-014",
        "a ring holds as many records as fit into its size - 1; the next reservation fails with -EINVAL",
        _fills(0, 8, 16, 24, 32, 40, 48, 56, 64),
        _SPACE,
    ),
    Case(
        "RSV-015",
        "a full ring accepts reservations again after the consumer has advanced",
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
        "two open reservations can fill the ring except for its last 8 bytes",
        script(Event((Step((Reserve(2040), Reserve(2032))),)), Consume((2040, 2032))),
        _SPACE,
    ),
    Case(
        "RSV-018",
        "a second reservation that needs the last 8 bytes of the ring fails, and the first stays valid",
        script(Event((Step((Reserve(2040), Reserve(2040, errno=EINVAL))),)), Consume((2040,))),
        _SPACE,
    ),
    Case(
        "RSV-019",
        "after a record of 4072 bytes only an empty record fits; after one of 4080 bytes not even that",
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
        "the space of an open reservation stays occupied until its release, even if the consumer skips it",
        _skipped(Reserve(2000, errno=EINVAL)),
        _PENDING,
        (
            Difference(
                _skipped(Reserve(2000)),
                "before v6.10 and the stable backports of commit cfa1a2329a69, a new reservation can "
                "overwrite an open one",
                before=(6, 10),
                defect=True,
            ),
        ),
        loaders=("libbpf",),
    ),
    Case(
        "RSV-021",
        "a consumer position ahead of the producer makes every reservation fail and the amount of data "
        "negative",
        script(Seek(ahead=64), Event((refused(Reserve(0, errno=EINVAL)), refused(Reserve(8, errno=EINVAL))))),
        _SPACE,
    ),
    Case(
        "RSV-022",
        "discarded records take space until the consumer passes them, like submitted ones",
        _fills(8, release="discard"),
        _SPACE,
    ),
    Case(
        "RSV-025",
        "on a full ring bpf_ringbuf_reserve returns NULL, bpf_ringbuf_output -EAGAIN, and the helper -EINVAL",
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
        "a program can reserve in a ring from an array of maps, and its records arrive in that ring",
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
        "a write to a null dynptr fails with -EINVAL at any offset and length, including 0",
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
        "a read from a null dynptr fails with -EINVAL at any length, including 0",
        _null_accesses(*(Access("read", -EINVAL, length) for length in (0, 1, 8, 64))),
        _NULL,
    ),
    Case(
        "RSV-032",
        "a slice of a null dynptr is NULL at any length, including 0",
        _null_accesses(*(Access("slice", 0, length) for length in (0, 1, 4, 8, 16))),
        _NULL,
    ),
    Case(
        "RSV-033",
        "submitting a null dynptr, with any flags, has no effect and wakes no consumer",
        _null_releases("submit"),
        _RELEASE,
    ),
    Case(
        "RSV-034",
        "discarding a null dynptr, with any flags, has no effect and wakes no consumer",
        _null_releases("discard"),
        _RELEASE,
    ),
    Case(
        "RSV-060",
        "a record arrives after the positions have passed 2^32, and queries return all 64 bits",
        _past_2_to_32(),
        _SPACE,
        types=("RAW_TRACEPOINT",),
    ),
    Case(
        "RSV-061",
        "in a ring of 2 MiB, a record that starts after the first MiB arrives",
        script(
            Event((Step((Reserve(MIB),)), submitted(b"after the first MiB"))),
            Consume((MIB, b"after the first MiB")),
            ring_size=2 * MIB,
        ),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_rec_pg_off: a distance in pages (v5.8, 457f44363a88)",
        types=("RAW_TRACEPOINT",),
    ),
    Case(
        "RSV-062",
        "a record with its header in the last 8 bytes of a page is written and arrives",
        script(
            Event((Step((Reserve(4080),)), submitted(b"in the next page"))),
            Consume((4080, b"in the next page")),
            ring_size=2 * RING_SIZE,
        ),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_restore_from_rec: by the page of the header (v5.8, 457f44363a88)",
        types=("RAW_TRACEPOINT",),
    ),
)
