"""LOD: delivery under load, and after a stall or a killed consumer."""

from __future__ import annotations

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.stress import Stress

_RING = (
    "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve and bpf_ringbuf_commit: space is reserved under a lock, "
    "and a record is committed by one atomic exchange (v5.8, commit 457f44363a88)"
)
_ROOM = (
    "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve: no space until the consumer has advanced (v5.8, "
    "457f44363a88)"
)
_POSITION = (
    "Documentation/bpf/ringbuf.rst: only the consumer writes its position, so the next consumer finds all "
    "records after it"
)

_LIBBPF = ("libbpf",)  # BCC cannot compile callbacks

CASES = (
    Case(
        "LOD-001",
        "of a million reservations on all CPUs and in nested contexts, exactly the submitted ones arrive, "
        "in order",
        Stress(1_000_000),
        _RING,
        loaders=_LIBBPF,
        types=("RAW_TRACEPOINT",),  # a tracepoint that a perf event can interrupt
    ),
    Case(
        "LOD-002",
        "while the consumer stalls, reservations fail for lack of space; no successful one is lost",
        Stress(100_000, "stall", 3),
        _ROOM,  # the consumer behaves the same in all types
        loaders=_LIBBPF,
        types=("TRACEPOINT",),
    ),
    Case(
        "LOD-003",
        "after a consumer is killed, the next one reads exactly the records after the consumer position",
        Stress(100_000, "kill", 3),
        _POSITION,
        loaders=_LIBBPF,
        types=("SYSCALL",),
    ),
)
