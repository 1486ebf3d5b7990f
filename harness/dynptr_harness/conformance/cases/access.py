"""DYN: reads, writes and slices of a ring-buffer dynptr, and the content of a record."""

from __future__ import annotations

from errno import E2BIG, EINVAL

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.base import RING_SIZE, Experiment
from dynptr_harness.conformance.experiments.script import (
    AVAIL_DATA,
    U32,
    U64,
    Access,
    Consume,
    Event,
    Peek,
    Reserve,
    Step,
    script,
    submitted,
)

_BOUNDS = "kernel/bpf/helpers.c, bpf_dynptr_check_off_len (v5.19, commits 13bbbfbea759 and 34d4ef5775f7)"
_FLAGS = "kernel/bpf/helpers.c, bpf_dynptr_read and bpf_dynptr_write: flags must be 0"
_AREA = "kernel/bpf/ringbuf.c, bpf_ringbuf_area_alloc: zeroed pages, data mapped twice (v5.8, 457f44363a88)"
_WIDE = "since v6.19 offsets have 64 bits (commit 531b87d865eb); older kernels ignore the upper half"

PATTERN = bytes(range(0x30, 0x40))  # sixteen printable bytes, each different


def _on_16_bytes(*accesses: Access, arrives: bytes | int = 16) -> Experiment:
    """Access a dynptr of 16 bytes. Its record must then arrive."""
    return script(Event((Step((Reserve(16),), accesses, PATTERN),)), Consume((arrives,)))


def _write(offset: int, length: int, want: int, flags: int = 0) -> Access:
    return Access("write", want, length, offset, flags)


def _read(offset: int, length: int, want: int, flags: int = 0, data: bytes = b"") -> Access:
    return Access("read", want, length, offset, flags, data=data)


def _slice(offset: int, length: int, want: int) -> Access:
    return Access("slice", want, length, offset)


def _wide(granted: bool) -> Experiment:
    """Access offset 2^32, which is 0 for a kernel that ignores the upper half."""
    error, pointer = (0, 1) if granted else (-E2BIG, 0)
    return _on_16_bytes(_write(U32, 8, error), _read(U32, 8, error), _slice(U32, 8, pointer))


def _over_all_pages() -> Experiment:
    """Write into three pages of a record from the last of four pages to the end of the second mapping."""
    ring, page = 4 * RING_SIZE, RING_SIZE
    start = 3 * page + 16
    first = ring - start - 8  # offset of the first byte of the ring
    places = (first, first + page, ring - 16 - 8)  # the last one is in the page where the record starts
    written = tuple(Access("write", 0, 8, at, source=8 * i) for i, at in enumerate(places))
    payload = b"1st page2nd page4th page"
    read = tuple(_read(at, 8, 0, data=payload[8 * i : 8 * i + 8]) for i, at in enumerate(places))
    return script(
        Event((Step((Reserve(start - 8),)),)),
        Consume((start - 8,)),
        Event((Step((Reserve(ring - 16),), written + read, payload),)),
        Consume((ring - 16,)),
        ring_size=ring,
    )


CASES = (
    Case(
        "DYN-001",
        "8 bytes written at offset 0 are read back",
        _on_16_bytes(_write(0, 8, 0), _read(0, 8, 0, data=PATTERN[:8])),
        _BOUNDS,
    ),
    Case(
        "DYN-002",
        "an offset needs no alignment",
        _on_16_bytes(
            _write(1, 8, 0),
            _read(1, 8, 0, data=PATTERN[:8]),
            _write(3, 8, 0),
            _read(3, 8, 0, data=PATTERN[:8]),
        ),
        _BOUNDS,
    ),
    Case(
        "DYN-003",
        "the last 8 bytes can be written and read",
        _on_16_bytes(_write(8, 8, 0), _read(8, 8, 0, data=PATTERN[:8])),
        _BOUNDS,
    ),
    Case(
        "DYN-004",
        "an access that ends one byte past the end fails with -E2BIG",
        _on_16_bytes(_write(9, 8, -E2BIG), _read(9, 8, -E2BIG)),
        _BOUNDS,
    ),
    Case(
        "DYN-005",
        "a write, a read and a slice of length 0 succeed at the end",
        _on_16_bytes(_write(16, 0, 0), _read(16, 0, 0), _slice(16, 0, 1)),
        _BOUNDS,
    ),
    Case(
        "DYN-006",
        "a write, a read and a slice of length 0 fail past the end",
        _on_16_bytes(_write(17, 0, -E2BIG), _read(17, 0, -E2BIG), _slice(17, 0, 0)),
        _BOUNDS,
    ),
    Case(
        "DYN-007",
        "an access that is longer than the record fails with -E2BIG",
        _on_16_bytes(*(access(0, length, -E2BIG) for access in (_write, _read) for length in (17, 32))),
        _BOUNDS,
    ),
    Case(
        "DYN-008",
        "an access whose offset plus length overflows 32 bits is out of bounds",
        _on_16_bytes(
            *(access(offset, 8, -E2BIG) for access in (_write, _read) for offset in (U32 - 1, U32 - 8)),
            *(_slice(offset, 8, 0) for offset in (U32 - 1, U32 - 8)),
        ),
        _BOUNDS,
    ),
    Case(
        "DYN-009",
        "an access whose offset plus length overflows 64 bits is out of bounds",
        _on_16_bytes(
            *(access(offset, 8, -E2BIG) for access in (_write, _read) for offset in (U64 - 1, U64 - 8))
        ),
        _BOUNDS,
    ),
    Case(
        "DYN-010",
        "a write with flags fails with -EINVAL",
        _on_16_bytes(_write(0, 8, -EINVAL, 1), _write(0, 8, -EINVAL, U32)),
        _FLAGS,
    ),
    Case(
        "DYN-011",
        "a read with flags fails with -EINVAL",
        _on_16_bytes(_read(0, 8, -EINVAL, 1), _read(0, 8, -EINVAL, U32)),
        _FLAGS,
    ),
    Case(
        "DYN-012",
        "a write past the end with flags fails with -E2BIG: the bounds are checked first",
        _on_16_bytes(_write(17, 8, -E2BIG, 1)),
        "kernel/bpf/helpers.c, bpf_dynptr_write: bounds before flags (v6.4, commit b5964b968ac6)",
        (
            Difference(
                _on_16_bytes(_write(17, 8, -EINVAL, 1)),
                ("before v6.4 the flags are checked first"),
                before=(6, 4),
            ),
        ),
    ),
    Case(
        "DYN-013",
        "a read past the end with flags fails with -EINVAL: the flags are checked first",
        _on_16_bytes(_read(17, 8, -EINVAL, 1)),
        _FLAGS,
    ),
    Case(
        "DYN-014",
        "bytes written through a slice of the whole record arrive",
        _on_16_bytes(Access("slice-write", 1, 16), _read(0, 16, 0, data=PATTERN), arrives=PATTERN),
        _BOUNDS,
    ),
    Case(
        "DYN-015",
        "a slice that reaches past the end is NULL",
        _on_16_bytes(_slice(0, 17, 0), _slice(9, 8, 0), _slice(1, 16, 0)),
        _BOUNDS,
    ),
    Case(
        "DYN-016",
        "a write through a 4-byte slice at offset 3 changes only these 4 bytes",
        _on_16_bytes(
            _write(0, 16, 0),
            Access("slice-write", 1, 4, 3),
            _read(0, 16, 0, data=b"012" + b"0123" + b"789:;<=>?"),
            arrives=b"012" + b"0123" + b"789:;<=>?",
        ),
        _BOUNDS,
    ),
    Case(
        "DYN-017",
        "a slice of length 0 is not NULL at any offset up to the end",
        _on_16_bytes(*(_slice(offset, 0, 1) for offset in (0, 1, 8, 15, 16)), _slice(17, 0, 0)),
        _BOUNDS,
    ),
    Case(
        "DYN-018",
        "in the first lap of the ring, the unwritten bytes of a record are zero",
        script(Event((Step((Reserve(64),)),)), Consume((bytes(64),))),
        _AREA,
    ),
    Case(
        "DYN-019",
        "in later laps, the unwritten bytes of a record are those of an older record",
        script(
            Event((submitted(b"Z" * 64),)),
            Consume((b"Z" * 64,)),
            Event((Step((Reserve(RING_SIZE - 72 - 8),)),)),
            Consume((RING_SIZE - 72 - 8,)),
            Event((Step((Reserve(64),)),)),
            Consume((b"Z" * 64,)),
        ),
        _AREA,
    ),
    Case(
        "DYN-020",
        "an offset of 2^32 is out of bounds",
        _wide(granted=False),
        _WIDE,
        (Difference(_wide(granted=True), _WIDE, before=(6, 19)),),
    ),
    Case(
        "DYN-023",
        "reads, writes and slices do not change the positions",
        _on_16_bytes(
            Access("query", 24, flags=AVAIL_DATA),
            _write(0, 16, 0),
            _read(0, 16, 0, data=PATTERN),
            Access("slice-write", 1, 16),
            Access("query", 24, flags=AVAIL_DATA),
            arrives=PATTERN,
        ),
        _BOUNDS,
    ),
    Case(
        "DYN-024",
        "a record across the end of the ring is written through one slice and read in one piece",
        script(
            Event((Step((Reserve(RING_SIZE - 24),)),)),  # the next header is at ring size - 16
            Consume((RING_SIZE - 24,)),
            Event((Step((Reserve(16),), (Access("slice-write", 1, 16),), PATTERN),)),
            Peek((16,)),
            Consume((PATTERN,)),
        ),
        _AREA,
    ),
    Case(
        "DYN-030",
        "a record that wraps and is as large as the ring allows keeps the bytes of its pages apart",
        _over_all_pages(),
        _AREA,
        types=("RAW_TRACEPOINT",),
    ),
    Case(
        "DYN-031",
        "the padding of a record of 13 bytes is out of bounds",
        script(
            Event(
                (Step((Reserve(13),), (_write(5, 8, 0), _write(6, 8, -E2BIG), _slice(13, 1, 0)), PATTERN),)
            ),
            Consume((13,)),
        ),
        _BOUNDS,
    ),
)
