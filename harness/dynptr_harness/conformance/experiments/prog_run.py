"""Programs that user space runs with BPF_PROG_RUN, with the expected results and records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.experiments.base import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dynptr_harness.conformance.experiments.base import Reply
    from dynptr_harness.conformance.prog_types import ProgType

# A record of the right length with wrong bytes. Which bytes are wrong depends on the machine.
DAMAGED = "damaged"


@dataclass(frozen=True)
class ProgRun:
    """One run of a program.

    Attributes:
        results: the expected first elements of `results` in struct run.
        records: the expected records, or DAMAGED for one record that differs from `intact`.
        memory: content of the user memory whose address the program gets, or None for an unmapped address.
        answer: the expected return value.
        intact: the undamaged record, if `records` is DAMAGED.
    """

    results: tuple[int, ...]
    records: tuple[bytes, ...] | str
    memory: bytes | None = None
    answer: int = 0
    intact: bytes = b""

    def records_seen(self, records: list[str]) -> object:
        """Return the records of the reply, equal to `records_wanted` if they are as expected."""
        if isinstance(self.records, str):
            damaged = (
                len(records) == 1
                and len(records[0]) == 2 * len(self.intact)
                and records[0] != self.intact.hex()
            )
            return DAMAGED if damaged else records
        return records

    @property
    def records_wanted(self) -> object:
        """The expected records in hex, or DAMAGED."""
        return self.records if isinstance(self.records, str) else [record.hex() for record in self.records]


@dataclass(frozen=True)
class ProgRuns:
    """Runs of one program.

    Attributes:
        object: name of the file, bpf_src/elf/NAME.bpf.c.
        function: name of the program.
        target: name of the program that its tail calls reach.
        packet: the context is a packet, not struct run.
    """

    object: str
    function: str
    runs: tuple[ProgRun, ...]
    target: str | None = None
    packet: bool = False

    def request(self) -> dict[str, Any]:
        return {
            "kind": "prog_run",
            "object": self.object,
            "functions": [self.function, *([self.target] if self.target else [])],
            "packet": self.packet,
            "memory": [None if run.memory is None else run.memory.hex() for run in self.runs],
        }

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:  # noqa: ARG002
        """Compare each run with the expected one."""
        replies = reply.get("runs", ())
        yield Finding("runs", len(self.runs), len(replies))
        for number, (run, seen) in enumerate(zip(self.runs, replies, strict=False), 1):
            which = f"run {number}: " if len(self.runs) > 1 else ""
            yield Finding(f"{which}error of BPF_PROG_RUN", 0, seen["error"])
            yield Finding(f"{which}return value", run.answer, seen["answer"])
            yield Finding(f"{which}results", list(run.results), seen["results"][: len(run.results)])
            yield Finding(f"{which}records", run.records_wanted, run.records_seen(seen["records"]))
