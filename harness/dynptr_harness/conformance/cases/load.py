"""LOD: nothing is lost under load."""

from __future__ import annotations

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.stress import Stress

_RING = (
    "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve and bpf_ringbuf_commit: room is given under a lock, and a "
    "record is committed by one exchange (v5.8, commit 457f44363a88)"
)
_ROOM = (
    "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve: no room before the consumer has moved (v5.8, 457f44363a88)"
)
_POSITION = (
    "Documentation/bpf/ringbuf.rst: only the consumer moves its position, so that what it did not write "
    "is still there for the next one"
)

_LIBBPF = ("libbpf",)  # BCC makes no callbacks

CASES = (
    Case(
        "LOD-001",
        "of a million reservations on all CPUs, by perf events amid them, the submitted arrive, in order",
        Stress(1_000_000),
        _RING,
        loaders=_LIBBPF,
        types=("RAW_TRACEPOINT",),  # a tracepoint that a perf event can interrupt
    ),
    Case(
        "LOD-002",
        "while the consumer stalls, reservations fail for lack of room; nothing of those granted is lost",
        Stress(100_000, "stall", 3),
        _ROOM,  # what a consumer suffers is the same in all types
        loaders=_LIBBPF,
        types=("TRACEPOINT",),
    ),
    Case(
        "LOD-003",
        "after a consumer was killed, the next reads again what the position does not yet cover, and no more",
        Stress(100_000, "kill", 3),
        _POSITION,
        loaders=_LIBBPF,
        types=("SYSCALL",),
    ),
)
