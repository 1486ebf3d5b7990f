"""KFN: kfuncs that take the dynptr of a reservation. RSV-035 to 044, CMT-011 and 012: what else they show."""

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
_COMMIT = "kernel/bpf/ringbuf.c, bpf_ringbuf_commit: the length is that of the header (v5.8, 457f44363a88)"

# The types that may write to packets; others cannot load a program that asks for a slice to write to.
WRITING_TYPES = ("CGROUP_SOCKOPT", "LWT_XMIT", "SCHED_ACT", "SCHED_CLS", "SK_MSG", "SK_SKB", "XDP")

PAYLOAD = b"0123456789abcdef"
OTHER = b"ABCDEFGHIJKLMNOP"
WRITE = Access("write", 0, 16)
NULL = Reserve(8, 1, EINVAL)


def _step(*accesses: Access, clone: int | None = None, order: str = "ABC") -> Step:
    """A record of 16 bytes, PAYLOAD, with accesses before it is submitted; OTHER is behind it to write."""
    return Step((Reserve(16),), (WRITE, *accesses), PAYLOAD + OTHER, order, clone)


def _pair(*accesses: Access) -> Step:
    """Two records of 16 bytes, PAYLOAD in slot 0 and OTHER in slot 1, with accesses."""
    both = (WRITE, Access("write", 0, 16, slot=1, source=16))
    return Step((Reserve(16), Reserve(16)), (*both, *accesses), PAYLOAD + OTHER)


def _one(*accesses: Access, record: bytes = PAYLOAD) -> tuple[Act, ...]:
    """One such record, and what must arrive of it."""
    return Event((_step(*accesses),)), Consume((record,))


def _null(*accesses: Access, clone: int | None = None) -> tuple[Act, ...]:
    """Accesses to null dynptrs, from a reservation that failed in each of three ways."""
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
        "bpf_dynptr_is_null says so of the dynptr of a failed reservation",
        _null(Access("is-null", 1)),
        _NULL,
    ),
    kfunc_row(
        "RSV-036",
        "the dynptr of a failed reservation does not count as read-only",
        _null(Access("is-rdonly", 0)),
        _NULL,
    ),
    kfunc_row(
        "RSV-037",
        "the size of a null dynptr is -EINVAL",
        _null(Access("size", -EINVAL)),
        _SIZE,
        narrow=_null(Access("size", U32 - EINVAL)),
    ),
    kfunc_row(
        "RSV-038",
        "a null dynptr cannot be adjusted, not even to nothing: -EINVAL",
        _null(*(Access("adjust", -EINVAL, end, start) for start, end in ((0, 0), (0, 8), (4, 8), (8, 4)))),
        _ADJUST,
    ),
    kfunc_row(
        "RSV-039",
        "cloning a null dynptr gives -EINVAL, and a clone that is null too",
        _null(Access("is-null", 1, slot=3), Access("write", -EINVAL, 8, slot=3), clone=-EINVAL),
        _CLONE,
    ),
    kfunc_row(
        "RSV-040",
        "bpf_dynptr_slice of a null dynptr is NULL, with a buffer and without, also of no length",
        _null(Access("kfunc-slice", 0, 8), Access("kfunc-slice", 0, 0), Access("buffer-slice", 0, 8)),
        _SLICE,
    ),
    kfunc_row(
        "RSV-041",
        "nothing can be copied from a null dynptr or to one: -EINVAL",
        (
            Event((Step((NULL, Reserve(16)), tuple(Access("copy", -EINVAL, 8, slot=to) for to in (0, 1))),)),
            Consume((bytes(16),)),
        ),
        _COPY,
    ),
    kfunc_row(
        "RSV-042",
        "from one null dynptr to another a copy is too long, -E2BIG, but for one of no length",
        (Event((Step((NULL, NULL), (Access("copy", -E2BIG, 8), Access("copy", 0, 0))),)), Consume(())),
        _COPY,
    ),
    kfunc_row(
        "RSV-043",
        "bpf_dynptr_memset of a null dynptr is too long, -E2BIG, but for one of no length",
        _null(Access("memset", -E2BIG, 8, flags=0xAB), Access("memset", 0, 0, flags=0xAB)),
        _MEMSET,
    ),
    kfunc_row(
        "RSV-044",
        "bpf_probe_read_kernel_dynptr into a null dynptr is too long: -E2BIG",
        _null(Access("probe-read", -E2BIG, 8)),
        _PROBE,
    ),
    kfunc_row(
        "CMT-011",
        "a record whose dynptr was adjusted is submitted whole, with the length it was reserved with",
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
        "the size of a dynptr is that of the reservation",
        _one(Access("size", 16)),
        _SIZE,
    ),
    kfunc_row(
        "KFN-002",
        "the dynptr of a reservation is not read-only",
        _one(Access("is-rdonly", 0)),
        _NULL,
    ),
    kfunc_row(
        "KFN-003",
        "bpf_dynptr_is_null tells granted reservations from those that were not, in the lowest byte",
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
        "the whole register is the bool of bpf_dynptr_is_null: 0 for a live dynptr",
        script(*_word(0), by="kfunc_steps"),
        _NULL,
        (
            Difference(
                script(*_word(1), by="kfunc_steps"),
                "x86-64: the kernel sets the lowest byte of the register only, and nobody the rest",
                since=(6, 5),
                defect=True,
            ),
        ),
        loaders=("libbpf",),
        kfuncs=("bpf_dynptr_is_null",),
    ),
    kfunc_row(
        "KFN-005",
        "an adjusted dynptr has the size of its new range, and offsets count from the new start",
        (
            Event((_adjusted(0, 16, 16), _adjusted(8, 16, 8))),
            Event((_step(Access("adjust", 0, 12, 4), Access("size", 8), Access("write", 0, 8, source=16)),)),
            Consume((PAYLOAD, PAYLOAD, b"0123ABCDEFGHcdef")),
        ),
        _ADJUST,
    ),
    kfunc_row(
        "KFN-006",
        "a dynptr adjusted to nothing has size 0, and there is nothing to write or slice",
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
        "a dynptr cannot be adjusted beyond its end: -ERANGE, and it stays as it is",
        (Event((_not_adjusted(0, 17, ERANGE), _not_adjusted(17, 17, ERANGE))), Consume((PAYLOAD, PAYLOAD))),
        _ADJUST,
    ),
    kfunc_row(
        "KFN-008",
        "a dynptr cannot be adjusted to end before it begins: -EINVAL, and it stays as it is",
        (Event((_not_adjusted(5, 4, EINVAL),)), Consume((PAYLOAD,))),
        _ADJUST,
    ),
    kfunc_row(
        "KFN-009",
        "the range of an adjustment is looked at in all its 64 bits",
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
        "a clone has the same bytes and a range of its own",
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
        "bpf_dynptr_slice needs no buffer: a reservation is in one piece",
        _one(Access("kfunc-slice", 1, 8, data=b"01234567"), Access("kfunc-slice", 1, 8, 8, data=b"89abcdef")),
        _SLICE,
    ),
    kfunc_row(
        "KFN-012",
        "a buffer given to bpf_dynptr_slice is not used: a reservation is in one piece",
        _one(Access("buffer-slice", 1, 8, 8, data=b"89abcdef")),
        _SLICE,
    ),
    kfunc_row(
        "KFN-013",
        "there is no slice across the end of the reservation, with a buffer or without",
        _one(Access("kfunc-slice", 0, 8, 9), Access("buffer-slice", 0, 8, 9)),
        _SLICE,
    ),
    kfunc_row(
        "KFN-014",
        "there is a slice of no length at the very end of the reservation, and none behind it",
        _one(Access("kfunc-slice", 1, 0, 16), Access("kfunc-slice", 0, 0, 17)),
        _SLICE,
    ),
    kfunc_row(
        "KFN-015",
        "the offset of a slice is looked at in all its 64 bits",
        _one(Access("kfunc-slice", 0, 8, U32)),
        _SLICE,
        narrow=_one(Access("kfunc-slice", 1, 8, U32)),
    ),
    Case(
        "KFN-016",
        "what is written through bpf_dynptr_slice_rdwr reaches the consumer",
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
        "bytes are copied from one reservation to another",
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
        "no copy goes across the end of the source or of the destination: -E2BIG, and nothing is copied",
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
        "a copy of no length, from the very end of the source, is none and no error",
        (Event((_pair(Access("copy", 0, 0, slot=1, flags=16)),)), Consume((PAYLOAD, OTHER))),
        _COPY,
    ),
    kfunc_row(
        "KFN-020",
        "the offsets of a copy are looked at in all their 64 bits",
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
        "bpf_dynptr_memset does not fill across the end: -E2BIG, and nothing is filled",
        _one(Access("memset", -E2BIG, 17), Access("memset", -E2BIG, 0, 17), Access("memset", -E2BIG, 8, 9)),
        _MEMSET,
    ),
    kfunc_row(
        "KFN-023",
        "to fill nothing, at the very end of the reservation, is no error",
        _one(Access("memset", 0, 0, 16)),
        _MEMSET,
    ),
    kfunc_row(
        "KFN-024",
        "the offset of bpf_dynptr_memset is looked at in all its 64 bits",
        _one(Access("memset", -E2BIG, 8, U32)),
        _MEMSET,
        narrow=_one(Access("memset", 0, 8, U32), record=bytes(8) + b"89abcdef"),
    ),
    kfunc_row(
        "KFN-025",
        "bpf_probe_read_kernel_dynptr reads memory of the kernel into a reservation",
        _one(
            Access("probe-read", 0, 8, 8, source=16),
            Access("read", 0, 16, data=b"01234567ABCDEFGH"),
            record=b"01234567ABCDEFGH",
        ),
        _PROBE,
    ),
    kfunc_row(
        "KFN-026",
        "bpf_probe_read_kernel_dynptr does not write across the end: -E2BIG, and nothing is written",
        _one(Access("probe-read", -E2BIG, 8, 9, source=16)),
        _PROBE,
    ),
    kfunc_row(
        "KFN-027",
        "an address that is not the kernel's gives -ERANGE",
        _one(Access("probe-read", -ERANGE, 8, flags=8)),
        "mm/maccess.c, copy_from_kernel_nofault, and arch/x86/mm/maccess.c: what is allowed (v5.8)",
    ),
)
