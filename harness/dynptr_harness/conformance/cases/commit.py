"""CMT: submit and discard. QRY: the results of bpf_ringbuf_query."""

from __future__ import annotations

from errno import EINVAL

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.base import RING_SIZE
from dynptr_harness.conformance.experiments.script import (
    AVAIL_DATA,
    CONS_POS,
    FORCE_WAKEUP,
    NO_WAKEUP,
    OVERWRITE_POS,
    PROD_POS,
    RING_SIZE_QUERY,
    U32,
    U64,
    Access,
    Consume,
    Event,
    Fill,
    Held,
    Peek,
    Reserve,
    Step,
    Wait,
    Watch,
    discarded,
    script,
    submitted,
)
from dynptr_harness.protocol.ring import BUSY, DISCARDED

_COMMIT = "kernel/bpf/ringbuf.c, bpf_ringbuf_commit (v5.8, commit 457f44363a88)"
_QUERY = "kernel/bpf/ringbuf.c, bpf_ringbuf_query (v5.8, commit 457f44363a88)"

# Three open records, released in reverse order. The middle one is discarded.
_REVERSED = script(
    Event(
        (
            Step(
                (Reserve(8), Reserve(8, release="discard"), Reserve(8)),
                tuple(Access("write", 0, 8, slot=slot, source=8 * slot) for slot in range(3)),
                b"record Arecord Brecord C",
                order="CBA",
            ),
        )
    ),
    Peek((8, DISCARDED | 8, 8)),
    Consume((b"record A", b"record C")),
)

CASES = (
    Case(
        "CMT-001",
        "a submitted record arrives once, with exactly the payload that was written",
        script(
            Event((submitted(b"submitted: this must arrive once"),)),
            Peek((32,)),
            Consume((b"submitted: this must arrive once",)),
            Consume(()),
        ),
        _COMMIT,
    ),
    Case(
        "CMT-002",
        "a discarded record never arrives but advances the producer position; the next record arrives",
        script(
            Event((discarded(b"discarded: this must not arrive!"),)),
            Peek((DISCARDED | 32,)),
            Consume(()),
            Event((discarded(b"this one too"), submitted(b"submitted after a discard"))),
            Consume((b"submitted after a discard",)),
        ),
        _COMMIT,
    ),
    Case(
        "CMT-003",
        "records arrive in the order of reservation, whatever the order of release",
        _REVERSED,
        _COMMIT,
    ),
    Case(
        "CMT-004",
        "the amount of data depends only on the positions; a submit or discard does not change it",
        _REVERSED,
        "kernel/bpf/ringbuf.c, ringbuf_avail_data_sz (v5.8, commit 457f44363a88)",
    ),
    Case(
        "CMT-005",
        "a consumer stops at an open record, even if a later record is submitted",
        script(
            Held((Reserve(8), Reserve(8)), "BAC", after_release=(Peek((BUSY | 8, 8)), Consume(()))),
            Consume((8, 8)),
            by="held_steps",
        ),
        _COMMIT,
        loaders=("libbpf",),
    ),
    Case(
        "CMT-006",
        "a submit behind an open record wakes no consumer; the release of the open record wakes it once",
        script(
            Watch(edge=True),
            Event((Step((Reserve(8), Reserve(8)), order="BAC"),)),
            Wait(woken=True),
            Wait(woken=False),
            Consume((8, 8)),
        ),
        _COMMIT,
    ),
    Case(
        "CMT-007",
        "user space sees the new producer position and the busy record immediately after the reservation",
        script(
            Held(
                (Reserve(8), Reserve(24)),
                after_a=(Peek((BUSY | 8,)),),
                after_b=(Peek((BUSY | 8, BUSY | 24)),),
            ),
            Consume((8, 24)),
            by="held_steps",
        ),
        "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve: smp_store_release (v5.8, commit 457f44363a88)",
        loaders=("libbpf",),
    ),
    Case(
        "CMT-008",
        "submit and discard ignore unknown flags; bpf_ringbuf_output fails with -EINVAL",
        script(
            Event(tuple(submitted(b"with unknown flags", flags) for flags in (4, 5, 1 << 40))),
            Event(tuple(discarded(b"with unknown flags", flags) for flags in (4, 5, 1 << 40))),
            Event((Step((Reserve(8, release="discard"),), (Access("plain-output", -EINVAL, flags=4),)),)),
            Consume((b"with unknown flags",) * 3),
        ),
        _COMMIT,
    ),
    Case(
        "CMT-009",
        "NO_WAKEUP and FORCE_WAKEUP together wake the consumer",
        script(
            Watch(),
            Event((submitted(b"not announced", NO_WAKEUP),)),
            Wait(woken=False),
            Event((submitted(b"announced", NO_WAKEUP | FORCE_WAKEUP),)),
            Wait(woken=True),
            Consume((b"not announced", b"announced")),
        ),
        _COMMIT,
    ),
    Case(
        "CMT-060",
        "an empty record that is discarded never arrives",
        script(Event((discarded(b""), submitted(b"behind it"))), Consume((b"behind it",))),
        _COMMIT,
    ),
    Case(
        "QRY-001",
        "AVAIL_DATA counts open and discarded records, including their headers",
        script(
            Event(
                (
                    Step((Reserve(8, release="discard"),), (Access("query", 16, flags=AVAIL_DATA),)),
                    Step((Reserve(8), Reserve(9)), (Access("query", 56, flags=AVAIL_DATA),)),
                )
            ),
        ),
        _QUERY,
    ),
    Case(
        "QRY-002",
        "RING_SIZE returns the size of the ring",
        script(Event((Step((Reserve(8),), (Access("query", RING_SIZE, flags=RING_SIZE_QUERY),)),))),
        _QUERY,
    ),
    Case(
        "QRY-003",
        "the positions count all bytes since the creation of the ring and do not wrap at its size",
        script(
            Event(fill=Fill(Reserve(8), 640, 255, EINVAL)),
            Consume((8,) * 255),
            Event(fill=Fill(Reserve(8), 200, 200)),
            Event(
                (
                    Step(
                        (Reserve(8),),
                        (
                            Access("query", 255 * 16, flags=CONS_POS),
                            Access("query", 456 * 16, flags=PROD_POS),
                        ),
                    ),
                )
            ),
            Consume((8,) * 201),
        ),
        _QUERY,
    ),
    Case(
        "QRY-004",
        "query 4 returns 0: before v6.19 it is unknown, since then it is the overwrite position, 0 in a "
        "normal ring",
        script(
            Event(
                (
                    submitted(b"something"),
                    Step((Reserve(8),), (Access("query", 0, flags=OVERWRITE_POS),)),
                )
            ),
        ),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_query; BPF_RB_OVERWRITE_POS was added in v6.19",
    ),
    Case(
        "QRY-005",
        "unknown queries return 0",
        script(
            Event(
                (
                    submitted(b"something"),
                    Step(
                        (Reserve(8),), tuple(Access("query", 0, flags=flags) for flags in (5, U64 - 1, U32))
                    ),
                )
            ),
        ),
        _QUERY,
    ),
    Case(
        "QRY-006",
        "a reservation of 8 bytes immediately adds 16 to AVAIL_DATA and PROD_POS, and nothing to CONS_POS",
        script(
            Event(
                (
                    Step(
                        (Reserve(8),),
                        (
                            Access("query", 16, flags=AVAIL_DATA),
                            Access("query", 16, flags=PROD_POS),
                            Access("query", 0, flags=CONS_POS),
                        ),
                    ),
                )
            ),
        ),
        _QUERY,
    ),
    Case(
        "QRY-007",
        "a submit or discard does not change the result of a query",
        script(
            Event((Step((Reserve(8), Reserve(8, release="discard"), Reserve(8))), Step((Reserve(8),)))),
            Event((Step((Reserve(8),), (Access("query", 80, flags=AVAIL_DATA),)),)),
        ),
        _QUERY,
    ),
    Case(
        "QRY-008",
        "after the consumer has caught up, there is no data and both positions are equal",
        script(
            Event((submitted(b"taken by the consumer"),)),
            Consume((b"taken by the consumer",)),
            Event(
                (
                    Step(
                        (Reserve(0),),
                        (
                            Access("query", 8, flags=AVAIL_DATA),
                            Access("query", 32, flags=CONS_POS),
                            Access("query", 40, flags=PROD_POS),
                        ),
                    ),
                )
            ),
        ),
        _QUERY,
    ),
)
