"""KFN, RSV-035 to RSV-044, CMT-011 and CMT-012: kfuncs on the dynptr of a reservation."""

from __future__ import annotations

from errno import E2BIG, EINVAL, ERANGE

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.base import RING_SIZE
from dynptr_harness.conformance.experiments.kfunc_script import kfunc_row
from dynptr_harness.conformance.experiments.script import (
    U32,
    Access,
    Act,
    Consume,
    Event,
    Peek,
    Reserve,
    Step,
    script,
)

_ADJUST = "kernel/bpf/helpers.c, bpf_dynptr_adjust (v6.5, commit 987d0242d189)"
_NULL = "kernel/bpf/helpers.c, bpf_dynptr_is_null and is_rdonly (v6.5, commit 540ccf96ddbc)"
_SIZE = "kernel/bpf/helpers.c, bpf_dynptr_size (v6.5, commit 26662d7347a0)"
_CLONE = "kernel/bpf/helpers.c, bpf_dynptr_clone (v6.5, commit 361f129f3cc1)"
_SLICE = "kernel/bpf/helpers.c, bpf_dynptr_slice (v6.4, commit 66e3a13e7c2c)"
_COPY = "kernel/bpf/helpers.c, bpf_dynptr_copy (v6.15, commit daec295a7094)"
_MEMSET = "kernel/bpf/helpers.c, bpf_dynptr_memset (v6.17, commit 5fc5d8fded57)"
_PROBE = "kernel/trace/bpf_trace.c, bpf_probe_read_kernel_dynptr (v6.16, commit a498ee7576de)"
_COMMIT = "kernel/bpf/ringbuf.c, bpf_ringbuf_commit: the header has the length (v5.8, commit 457f44363a88)"

# The types that can write to packets. The verifier rejects bpf_dynptr_slice_rdwr in all others.
WRITING_TYPES = ("CGROUP_SOCKOPT", "LWT_XMIT", "SCHED_ACT", "SCHED_CLS", "SK_MSG", "SK_SKB", "XDP")

PAYLOAD = b"0123456789abcdef"
OTHER = b"ABCDEFGHIJKLMNOP"
WRITE = Access("write", 0, 16)
NULL = Reserve(8, 1, EINVAL)


def _step(*accesses: Access, clone: int | None = None, order: str = "ABC") -> Step:
    """Return a step that writes PAYLOAD and does more accesses. Their writes can use OTHER as the source."""
    return Step((Reserve(16),), (WRITE, *accesses), PAYLOAD + OTHER, order, clone)


def _pair(*accesses: Access) -> Step:
    """Return a step with two records, PAYLOAD in slot 0 and OTHER in slot 1, and more accesses."""
    both = (WRITE, Access("write", 0, 16, slot=1, source=16))
    return Step((Reserve(16), Reserve(16)), (*both, *accesses), PAYLOAD + OTHER)


def _one(*accesses: Access, record: bytes = PAYLOAD) -> tuple[Act, ...]:
    """Run one step of `_step`. The bytes `record` must arrive."""
    return Event((_step(*accesses),)), Consume((record,))


def _null(*accesses: Access, clone: int | None = None) -> tuple[Act, ...]:
    """Access null dynptrs, after reservations that failed for three different reasons."""
    kinds = (NULL, Reserve(U32 - 1, 0, E2BIG), Reserve(RING_SIZE, 0, EINVAL))
    return (Event(tuple(Step((kind,), accesses, PAYLOAD, clone=clone) for kind in kinds)), Consume(()))


def _adjusted(start: int, end: int, size: int) -> Step:
    return _step(Access("adjust", 0, end, start), Access("size", size))


def _not_adjusted(start: int, end: int, errno: int) -> Step:
    return _step(
        Access("adjust", -errno, end, start), Access("size", 16), Access("read", 0, 16, data=PAYLOAD)
    )


def _word(want: int) -> tuple[Act, ...]:
    return _one(Access("is-null-word", want))


CASES = (
    kfunc_row(
        "RSV-035",
        "bpf_dynptr_is_null returns true for the dynptr of a failed reservation",
        _null(Access("is-null", 1)),
        _NULL,
    ),
    kfunc_row(
        "RSV-036",
        "bpf_dynptr_is_rdonly returns false for a null dynptr",
        _null(Access("is-rdonly", 0)),
        _NULL,
    ),
    kfunc_row(
        "RSV-037",
        "bpf_dynptr_size returns -EINVAL for a null dynptr",
        _null(Access("size", -EINVAL)),
        _SIZE,
        narrow=_null(Access("size", U32 - EINVAL)),
    ),
    kfunc_row(
        "RSV-038",
        "bpf_dynptr_adjust of a null dynptr fails with -EINVAL, even for an empty range",
        _null(*(Access("adjust", -EINVAL, end, start) for start, end in ((0, 0), (0, 8), (4, 8), (8, 4)))),
        _ADJUST,
    ),
    kfunc_row(
        "RSV-039",
        "bpf_dynptr_clone of a null dynptr fails with -EINVAL, and the clone is null",
        _null(Access("is-null", 1, slot=3), Access("write", -EINVAL, 8, slot=3), clone=-EINVAL),
        _CLONE,
    ),
    kfunc_row(
        "RSV-040",
        "bpf_dynptr_slice of a null dynptr returns NULL, with and without a buffer, and for length 0",
        _null(Access("kfunc-slice", 0, 8), Access("kfunc-slice", 0, 0), Access("buffer-slice", 0, 8)),
        _SLICE,
    ),
    kfunc_row(
        "RSV-041",
        "bpf_dynptr_copy from or to a null dynptr fails with -EINVAL",
        (
            Event((Step((NULL, Reserve(16)), tuple(Access("copy", -EINVAL, 8, slot=to) for to in (0, 1))),)),
            Consume((bytes(16),)),
        ),
        _COPY,
    ),
    kfunc_row(
        "RSV-042",
        "bpf_dynptr_copy between two null dynptrs fails with -E2BIG, except for length 0",
        (Event((Step((NULL, NULL), (Access("copy", -E2BIG, 8), Access("copy", 0, 0))),)), Consume(())),
        _COPY,
    ),
    kfunc_row(
        "RSV-043",
        "bpf_dynptr_memset of a null dynptr fails with -E2BIG, except for length 0",
        _null(Access("memset", -E2BIG, 8, flags=0xAB), Access("memset", 0, 0, flags=0xAB)),
        _MEMSET,
    ),
    kfunc_row(
        "RSV-044",
        "bpf_probe_read_kernel_dynptr into a null dynptr fails with -E2BIG",
        _null(Access("probe-read", -E2BIG, 8)),
        _PROBE,
    ),
    kfunc_row(
        "CMT-011",
        "after bpf_dynptr_adjust, a submit still delivers the whole record with its reserved length",
        (
            Event((_step(Access("adjust", 0, 12, 4), Access("size", 8)),)),
            Peek((16,)),
            Consume((PAYLOAD,)),
            Consume(()),
        ),
        _COMMIT,
    ),
    kfunc_row(
        "CMT-012",
        "submitting the clone of a dynptr submits the record, once",
        (Event((_step(clone=0, order="DBC"),)), Peek((16,)), Consume((PAYLOAD,)), Consume(())),
        _CLONE,
    ),
    kfunc_row(
        "KFN-001",
        "bpf_dynptr_size returns the size of the reservation",
        _one(Access("size", 16)),
        _SIZE,
    ),
    kfunc_row(
        "KFN-002",
        "bpf_dynptr_is_rdonly returns false for a reservation",
        _one(Access("is-rdonly", 0)),
        _NULL,
    ),
    kfunc_row(
        "KFN-003",
        "bpf_dynptr_is_null returns false for a reservation and true for a failed one, in the lowest byte",
        (
            Event(
                (
                    Step(
                        (Reserve(16), NULL),
                        (WRITE, Access("is-null", 0), Access("is-null", 1, slot=1)),
                        PAYLOAD,
                    ),
                )
            ),
            Consume((PAYLOAD,)),
        ),
        _NULL,
    ),
    Case(
        "KFN-004",
        "bpf_dynptr_is_null returns 0 in the whole register for a reservation",
        script(*_word(0), by="kfunc_steps"),
        _NULL,
        (
            Difference(
                script(*_word(1), by="kfunc_steps"),
                "on x86-64 the kernel sets only the lowest byte of the register; the other bytes are "
                "undefined",
                since=(6, 5),
                defect=True,
            ),
        ),
        loaders=("libbpf",),
        kfuncs=("bpf_dynptr_is_null",),
    ),
    kfunc_row(
        "KFN-005",
        "bpf_dynptr_adjust sets the size to that of the new range, and offsets count from its start",
        (
            Event((_adjusted(0, 16, 16), _adjusted(8, 16, 8))),
            Event((_step(Access("adjust", 0, 12, 4), Access("size", 8), Access("write", 0, 8, source=16)),)),
            Consume((PAYLOAD, PAYLOAD, b"0123ABCDEFGHcdef")),
        ),
        _ADJUST,
    ),
    kfunc_row(
        "KFN-006",
        "a dynptr adjusted to an empty range has size 0, and its writes and slices fail",
        (
            Event(
                tuple(
                    _step(
                        Access("adjust", 0, place, place),
                        Access("size", 0),
                        Access("write", -E2BIG, 8),
                        Access("slice", 0, 8),
                    )
                    for place in (0, 16)
                )
            ),
            Consume((PAYLOAD, PAYLOAD)),
        ),
        _ADJUST,
    ),
    kfunc_row(
        "KFN-007",
        "bpf_dynptr_adjust past the end fails with -ERANGE and changes nothing",
        (Event((_not_adjusted(0, 17, ERANGE), _not_adjusted(17, 17, ERANGE))), Consume((PAYLOAD, PAYLOAD))),
        _ADJUST,
    ),
    kfunc_row(
        "KFN-008",
        "bpf_dynptr_adjust to a range that ends before its start fails with -EINVAL and changes nothing",
        (Event((_not_adjusted(5, 4, EINVAL),)), Consume((PAYLOAD,))),
        _ADJUST,
    ),
    kfunc_row(
        "KFN-009",
        "bpf_dynptr_adjust checks all 64 bits of its range",
        (
            Event((_not_adjusted(0, U32 + 8, ERANGE), _not_adjusted(U32, U32 + 8, ERANGE))),
            Consume((PAYLOAD, PAYLOAD)),
        ),
        _ADJUST,
        narrow=(
            Event(
                tuple(
                    _step(
                        Access("adjust", 0, U32 + 8, start),
                        Access("size", 8),
                        Access("read", -E2BIG, 16),
                    )
                    for start in (0, U32)
                )
            ),
            Consume((PAYLOAD, PAYLOAD)),
        ),
    ),
    kfunc_row(
        "KFN-010",
        "a clone shares the bytes of the dynptr and has its own range",
        (
            Event(
                (
                    _step(
                        Access("write", 0, 8, 8, slot=3, source=16),
                        Access("read", 0, 8, 8, data=b"ABCDEFGH"),
                        Access("adjust", 0, 16, 8, slot=3),
                        Access("size", 8, slot=3),
                        Access("size", 16),
                        clone=0,
                    ),
                )
            ),
            Consume((b"01234567ABCDEFGH",)),
        ),
        _CLONE,
    ),
    kfunc_row(
        "KFN-011",
        "bpf_dynptr_slice of a reservation needs no buffer: the record is contiguous",
        _one(Access("kfunc-slice", 1, 8, data=b"01234567"), Access("kfunc-slice", 1, 8, 8, data=b"89abcdef")),
        _SLICE,
    ),
    kfunc_row(
        "KFN-012",
        "bpf_dynptr_slice of a reservation does not use its buffer: the record is contiguous",
        _one(Access("buffer-slice", 1, 8, 8, data=b"89abcdef")),
        _SLICE,
    ),
    kfunc_row(
        "KFN-013",
        "bpf_dynptr_slice returns NULL for a range past the end, with and without a buffer",
        _one(Access("kfunc-slice", 0, 8, 9), Access("buffer-slice", 0, 8, 9)),
        _SLICE,
    ),
    kfunc_row(
        "KFN-014",
        "bpf_dynptr_slice of length 0 succeeds at the end of the reservation and fails past it",
        _one(Access("kfunc-slice", 1, 0, 16), Access("kfunc-slice", 0, 0, 17)),
        _SLICE,
    ),
    kfunc_row(
        "KFN-015",
        "bpf_dynptr_slice checks all 64 bits of its offset",
        _one(Access("kfunc-slice", 0, 8, U32)),
        _SLICE,
        narrow=_one(Access("kfunc-slice", 1, 8, U32)),
    ),
    Case(
        "KFN-016",
        "bytes written through bpf_dynptr_slice_rdwr arrive",
        script(
            Event((Step((Reserve(8),), (Access("rdwr-slice", 1, 8),), b"written!"),)),
            Consume((b"written!",)),
            by="rdwr_steps",
        ),
        "kernel/bpf/helpers.c, bpf_dynptr_slice_rdwr (v6.4, commit 66e3a13e7c2c)",
        loaders=("libbpf",),
        kfuncs=("bpf_dynptr_slice_rdwr",),
        types=WRITING_TYPES,
    ),
    kfunc_row(
        "KFN-017",
        "bpf_dynptr_copy copies bytes from one reservation to another",
        (
            Event(
                (
                    _pair(
                        Access("copy", 0, 8, slot=1, flags=8),
                        Access("read", 0, 16, slot=1, data=b"89abcdefIJKLMNOP"),
                    ),
                )
            ),
            Consume((PAYLOAD, b"89abcdefIJKLMNOP")),
        ),
        _COPY,
    ),
    kfunc_row(
        "KFN-018",
        "bpf_dynptr_copy past the end of the source or destination fails with -E2BIG and copies nothing",
        (
            Event(
                (
                    _pair(
                        Access("copy", -E2BIG, 17, slot=1),
                        Access("copy", -E2BIG, 8, slot=1, offset=9),
                        Access("copy", -E2BIG, 8, slot=1, flags=9),
                    ),
                )
            ),
            Consume((PAYLOAD, OTHER)),
        ),
        _COPY,
    ),
    kfunc_row(
        "KFN-019",
        "bpf_dynptr_copy of length 0 at the end of the source succeeds and changes nothing",
        (Event((_pair(Access("copy", 0, 0, slot=1, flags=16)),)), Consume((PAYLOAD, OTHER))),
        _COPY,
    ),
    kfunc_row(
        "KFN-020",
        "bpf_dynptr_copy checks all 64 bits of its offsets",
        (Event((_pair(Access("copy", -E2BIG, 8, U32, slot=1, flags=8)),)), Consume((PAYLOAD, OTHER))),
        _COPY,
        narrow=(
            Event((_pair(Access("copy", 0, 8, U32, slot=1, flags=8)),)),
            Consume((PAYLOAD, b"89abcdefIJKLMNOP")),
        ),
    ),
    kfunc_row(
        "KFN-021",
        "bpf_dynptr_memset fills a reservation",
        _one(
            Access("memset", 0, 16, flags=0xAB), Access("read", 0, 16, data=b"\xab" * 16), record=b"\xab" * 16
        ),
        _MEMSET,
    ),
    kfunc_row(
        "KFN-022",
        "bpf_dynptr_memset past the end fails with -E2BIG and fills nothing",
        _one(Access("memset", -E2BIG, 17), Access("memset", -E2BIG, 0, 17), Access("memset", -E2BIG, 8, 9)),
        _MEMSET,
    ),
    kfunc_row(
        "KFN-023",
        "bpf_dynptr_memset of length 0 at the end of the reservation succeeds",
        _one(Access("memset", 0, 0, 16)),
        _MEMSET,
    ),
    kfunc_row(
        "KFN-024",
        "bpf_dynptr_memset checks all 64 bits of its offset",
        _one(Access("memset", -E2BIG, 8, U32)),
        _MEMSET,
        narrow=_one(Access("memset", 0, 8, U32), record=bytes(8) + b"89abcdef"),
    ),
    kfunc_row(
        "KFN-025",
        "bpf_probe_read_kernel_dynptr reads kernel memory into a reservation",
        _one(
            Access("probe-read", 0, 8, 8, source=16),
            Access("read", 0, 16, data=b"01234567ABCDEFGH"),
            record=b"01234567ABCDEFGH",
        ),
        _PROBE,
    ),
    kfunc_row(
        "KFN-026",
        "bpf_probe_read_kernel_dynptr past the end fails with -E2BIG and writes nothing",
        _one(Access("probe-read", -E2BIG, 8, 9, source=16)),
        _PROBE,
    ),
    kfunc_row(
        "KFN-027",
        "bpf_probe_read_kernel_dynptr of an address outside the kernel fails with -ERANGE",
        _one(Access("probe-read", -ERANGE, 8, flags=8)),
        "mm/maccess.c, copy_from_kernel_nofault, and arch/x86/mm/maccess.c: the allowed addresses (v5.8)",
    ),
)
