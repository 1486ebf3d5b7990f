"""Experiments: what the agent is asked to do, and what must then be seen of it.

The request and the expectation come from the same data, so that they cannot drift apart.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from dynptr_harness.protocol.ring import footprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.prog_types import ProgType

RING_SIZE = 4096  # one page, the smallest there is on x86

Reply = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that had to be seen, and what was seen in its place."""

    name: str
    want: object
    seen: object


class Experiment(Protocol):
    """Something the agent can do, with what must come of it."""

    def request(self) -> dict[str, Any]:
        """What the agent is asked."""

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:
        """The expectations beside what the reply says of them."""


def size_of(record: str) -> int:
    """Bytes of a record as the agent tells it: in hex, or 'N bytes, sha256 …' where it is long."""
    return int(record.split()[0]) if " bytes" in record else len(record) // 2


def each_of(records: Sequence[Reply]) -> list[Reply]:
    """The records of a raw reader one by one; what the agent tells of one goes for `times` in a row."""
    return [
        {**record, "position": record["position"] + number * footprint(size_of(record["payload"]))}
        for record in records
        for number in range(record.get("times", 1))
    ]


def readable(record: str) -> str:
    """A record's hex as text where it is text."""
    if " bytes" in record:
        return record
    octets = bytes.fromhex(record)
    return repr(octets.decode()) if octets.isascii() and octets.decode().isprintable() else record


@dataclass(frozen=True)
class Phases:
    """The type's example, with its event fired before it is attached, while, and after.

    Attributes:
        phase: which of the three this case is about.
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
        """struct record of bpf_src/include/dynptr_harness.h, first firing."""
        order = "<" if facts["byteorder"] == "little" else ">"
        return [struct.pack(f"{order}IIQQ", prog_type.number, 1, *self.WORDS).hex()]
