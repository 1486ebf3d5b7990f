"""Experiments: a request to the agent, and the findings expected in its reply.

Request and expectation come from the same data, so that they cannot diverge.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dynptr_harness.protocol.ring import footprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.prog_types import ProgType

RING_SIZE = 4096  # one page, the smallest ring on x86

Reply = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """An expected observation and the actual one."""

    name: str
    want: object
    seen: object


class Experiment(Protocol):
    """A request to the agent, with the expected findings."""

    def request(self) -> dict[str, Any]:
        """Return the request to the agent."""

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:
        """Yield each expectation with the observation in the reply."""


def size_of(record: str) -> int:
    """Return the size of a record as reported by the agent: in hex, or 'N bytes, sha256 …' if it is long."""
    return int(record.split()[0]) if " bytes" in record else len(record) // 2


def each_of(records: Sequence[Reply]) -> list[Reply]:
    """Return the records of the raw reader one by one; the agent reports equal ones once, with `times`."""
    return [
        {**record, "position": record["position"] + number * footprint(size_of(record["payload"]))}
        for record in records
        for number in range(record.get("times", 1))
    ]


def readable(record: str) -> str:
    """Return the hex of a record as text if it is printable."""
    if " bytes" in record:
        return record
    octets = bytes.fromhex(record)
    return repr(octets.decode()) if octets.isascii() and octets.decode().isprintable() else record


@dataclass(frozen=True)
class Phases:
    """The example of the type. Its event fires before, while and after it is attached.

    Attributes:
        phase: the phase to judge.
    """

    phase: Literal["before", "attached", "after"]

    WORDS = (0x0123456789ABCDEF, 0xFEDCBA9876543210)

    def request(self) -> dict[str, Any]:
        return {"kind": "phases", "words": list(self.WORDS)}

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:
        seen = reply.get(self.phase, {})
        fires = self.phase == "attached"
        yield Finding("the program ran", 1 if fires else 0, seen.get("fired"))
        yield Finding("records", self._records(prog_type, facts) if fires else [], seen.get("records"))
        yield Finding("records announced by poll", 1 if fires else 0, seen.get("polled"))
        if prog_type.event_sees:
            yield Finding("the event saw", prog_type.event_sees[self.phase], seen.get("event"))

    def _records(self, prog_type: ProgType, facts: Mapping[str, Any]) -> list[str]:
        """Return the first struct record of bpf_src/include/dynptr_harness.h."""
        order = "<" if facts["byteorder"] == "little" else ">"
        return [struct.pack(f"{order}IIQQ", prog_type.number, 1, *self.WORDS).hex()]
