"""The layout of a record in a ring buffer, from kernel/bpf/ringbuf.c and include/uapi/linux/bpf.h."""

from __future__ import annotations

HEADER_BYTES = 8  # BPF_RINGBUF_HDR_SZ
BUSY = 1 << 31  # BPF_RINGBUF_BUSY_BIT, in the length of a record
DISCARDED = 1 << 30  # BPF_RINGBUF_DISCARD_BIT, in the length of a record


def footprint(size: int) -> int:
    """Return the bytes that a record with a payload of `size` bytes takes in the ring.

    Source: __bpf_ringbuf_reserve, round_up(size + BPF_RINGBUF_HDR_SZ, 8).
    """
    return (size + HEADER_BYTES + 7) & ~7
