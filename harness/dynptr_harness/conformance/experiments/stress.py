"""The stress test: more reservations than the ring can hold, on all CPUs, each accounted for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dynptr_harness.conformance.experiments.base import Finding
from dynptr_harness.protocol.ring import footprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynptr_harness.conformance.experiments.base import Reply
    from dynptr_harness.conformance.prog_types import ProgType

RECORD_BYTES = 16  # struct flood_record of bpf_src/elf/flood.bpf.c
CONTEXTS = ("outer", "nested")

# Types whose programs can be interrupted by a perf event's program. During kprobe and tracepoint programs the
# kernel skips the event: all three increment bpf_prog_active of their CPU and give up if it was not 0
# (kernel/trace/bpf_trace.c, trace_call_bpf; kernel/events/core.c, bpf_overflow_handler). Raw tracepoints only
# check if they interrupt themselves (kernel/trace/bpf_trace.c, __bpf_trace_run).
INTERRUPTED = frozenset({"RAW_TRACEPOINT", "SYSCALL"})


@dataclass(frozen=True)
class Stress:
    """Producers of the type and of a perf event on every CPU, and a consumer in a separate process.

    Attributes:
        attempts: minimum number of reservations to try.
        interruption: how the consumer is interrupted, `interruptions` times: it stalls until the ring is
            full, or is killed between saving records and writing its position.
        ring_size: in bytes.
        seed: decides which reservations are submitted, discarded and rejected.
    """

    attempts: int
    interruption: Literal["none", "stall", "kill"] = "none"
    interruptions: int = 0
    ring_size: int = 65536
    seed: int = 0x5EED

    def request(self) -> dict[str, Any]:
        return {
            "kind": "flood",
            "object": "flood",
            "functions": ["flood_outer", "flood_nested"],
            "attempts": self.attempts,
            "interruption": self.interruption,
            "interruptions": self.interruptions,
            "ring_size": self.ring_size,
            "seed": self.seed,
        }

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:
        streams = reply.get("streams", [])
        counted = [stream["counted"] for stream in streams]
        producers = {
            (stream["cpu"], stream["context"]) for stream in streams if stream["counted"]["submitted"]
        }
        wanted = {(cpu, context) for cpu in range(facts["cpus"]) for context in CONTEXTS}
        yield Finding("CPUs and contexts that submitted", sorted(wanted), sorted(producers))
        attempts = sum(count["attempts"] for count in counted)
        yield Finding("attempts", f"at least {self.attempts}", _at_least(self.attempts, attempts))
        for stream in streams:
            yield from self._of_stream(stream)
        for kind in ("discarded", "refused", "full") if self.interruptions else ("discarded", "refused"):
            yield Finding(f"{kind}", "at least 1", _at_least(1, sum(count[kind] for count in counted)))
        if prog_type.name in INTERRUPTED:
            amid = sum(count["amid"] for count in counted)
            yield Finding("perf events amid a reservation", "at least 1", _at_least(1, amid))
        yield from self._of_ring(reply, counted)

    @staticmethod
    def _of_stream(stream: dict[str, Any]) -> Iterator[Finding]:
        """Check that every call has one outcome, and that exactly the submitted records arrived."""
        name, counted = f"CPU {stream['cpu']} {stream['context']}", stream["counted"]
        outcomes = sum(counted[kind] for kind in ("submitted", "discarded", "refused", "full"))
        yield Finding(f"{name}: outcomes", counted["attempts"], outcomes)
        yield Finding(f"{name}: answers that fit no outcome", 0, counted["wrong"])
        submitted = {kind: counted[kind] for kind in ("submitted", "fingerprint")}
        yield Finding(f"{name}: arrived", submitted, stream["arrived"])

    def _of_ring(self, reply: Reply, counted: list[dict[str, int]]) -> Iterator[Finding]:
        """Check that the ring is empty, and that no record was damaged, out of order or misplaced."""
        taken = sum(count["submitted"] + count["discarded"] for count in counted) * footprint(RECORD_BYTES)
        yield Finding("positions", {"consumer": taken, "producer": taken}, reply.get("positions"))
        discarded = sum(count["discarded"] for count in counted)
        yield Finding("discarded records in the ring", discarded, reply.get("discarded"))
        wrong = dict.fromkeys(("positions", "headers", "checksums", "order", "fates"), 0)
        yield Finding("records with something wrong", wrong, reply.get("wrong"))
        yield Finding("interruptions", self.interruptions, reply.get("interruptions"))
        again = reply.get("read_again", [])
        killed = self.interruptions if self.interruption == "kill" else 0
        yield Finding("consumers that took over", killed, len(again))
        for number, one in enumerate(again, 1):
            unacknowledged = {"bytes": one["saved"], "same": True}
            seen = {"bytes": one["bytes"], "same": one["same"]}
            yield Finding(f"consumer {number} read again", unacknowledged, seen)


def _at_least(least: int, seen: int) -> str:
    return f"at least {least}" if seen >= least else str(seen)
