"""Experiments: what the agent is asked to do, and what must then be seen of it.

The request and the expectation come from the same data, so that they cannot drift apart.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from errno import EINVAL
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.conformance.prog_types import ProgType

HEADER_BYTES = 8  # struct bpf_ringbuf_hdr of kernel/bpf/ringbuf.c
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


def footprint(size: int) -> int:
    """Bytes that a record of `size` takes in the ring: header and payload, rounded up to eight.

    kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve: round_up(size + BPF_RINGBUF_HDR_SZ, 8).
    """
    return -(-(size + HEADER_BYTES) // 8) * 8


def readable(record: str) -> str:
    """A record's hex as text where it is text."""
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


@dataclass(frozen=True)
class Step:
    """One reservation and what must come of it.

    Attributes:
        size: bytes asked for; `flags`: of the reservation.
        payload: written at offset 0 and read back.
        release: 'submit' or 'discard', with `release_flags`.
        errno: 0 where the reservation must be granted, else the error it must fail with.
    """

    size: int
    payload: bytes
    release: str = "submit"
    release_flags: int = 0
    flags: int = 0
    errno: int = 0

    @classmethod
    def submit(cls, payload: bytes) -> Step:
        """A record that must arrive."""
        return cls(len(payload), payload)

    @classmethod
    def discard(cls, payload: bytes) -> Step:
        """A record that must be granted and never arrive."""
        return cls(len(payload), payload, release="discard")

    @classmethod
    def refused(
        cls, errno: int, size: int, *, flags: int = 0, release: str = "submit", release_flags: int = 0
    ) -> Step:
        """A reservation that must fail; eight bytes are written all the same, which must fail too."""
        return cls(size, b"no room!", release, release_flags, flags, errno)

    def request(self) -> dict[str, Any]:
        """The step as the agent takes it."""
        return {
            "size": self.size,
            "flags": self.flags,
            "release": self.release,
            "release_flags": self.release_flags,
            "payload": self.payload.hex(),
        }

    def wanted(self) -> dict[str, object]:
        """What the program must see; a dynptr after a failed reservation is null: -EINVAL from all."""
        access = -EINVAL if self.errno else 0
        return {
            "reserve": -self.errno,
            "write": access,
            "read": access,
            "read back": "nothing" if self.errno else readable(self.payload.hex()),
            "slice": "null" if self.errno else "pointer",
            "producer moved by reserve": 0 if self.errno else footprint(self.size),
            f"producer moved by {self.release}": 0,
        }

    def seen(self, outcome: dict[str, Any]) -> dict[str, object]:
        """What it saw, under the same names."""
        readback = outcome["readback"]
        return {
            "reserve": outcome["reserved"],
            "write": outcome["written"],
            "read": outcome["read"],
            "read back": readable(readback) if readback.strip("0") else "nothing",
            "slice": {0: "null", 1: "pointer", None: None}.get(outcome["slice"], outcome["slice"]),
            "producer moved by reserve": _difference(outcome, "producer_reserved", "producer_before"),
            f"producer moved by {self.release}": _difference(
                outcome, "producer_released", "producer_reserved"
            ),
        }


def _difference(outcome: dict[str, Any], later: str, earlier: str) -> int | None:
    if outcome[later] is None or outcome[earlier] is None:
        return None
    return int(outcome[later]) - int(outcome[earlier])


@dataclass(frozen=True)
class Steps:
    """Reservations in a row, in one event, on a ring of their own.

    Records arrive for what was granted and submitted, in order.
    """

    steps: tuple[Step, ...]
    ring_size: int = RING_SIZE

    def request(self) -> dict[str, Any]:
        return {
            "kind": "steps",
            "ring_size": self.ring_size,
            "steps": [step.request() for step in self.steps],
        }

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:  # noqa: ARG002
        yield Finding("the program ran", 1, reply.get("fired"))
        outcomes = reply.get("outcomes", [])
        yield Finding("steps done", len(self.steps), len(outcomes))
        for number, (step, outcome) in enumerate(zip(self.steps, outcomes, strict=False), 1):
            seen = step.seen(outcome)
            for name, want in step.wanted().items():
                yield Finding(f"step {number} {name}", want, seen[name])
        arriving = [step.payload.hex() for step in self.steps if not step.errno and step.release == "submit"]
        yield Finding(
            "records",
            [readable(record) for record in arriving],
            [readable(record) for record in reply.get("records", [])],
        )


@dataclass(frozen=True)
class Rejection:
    """A program that the verifier must refuse, for one reason, beside its twin that it must accept.

    Attributes:
        function: the C function; the twin is called like it with `_accepted` behind.
        errno: of the refusal.
        reason: a distinctive part of the verifier's log. The whole log is searched: newer kernels
            print more lines after the one that tells.
    """

    function: str
    errno: int
    reason: str

    @property
    def twin(self) -> str:
        """Name of the accepted twin."""
        return f"{self.function}_accepted"

    def request(self) -> dict[str, Any]:
        return {"kind": "load", "functions": [self.function, self.twin]}

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:  # noqa: ARG002
        functions = reply.get("functions", {})
        wrong, right = functions.get(self.function, {}), functions.get(self.twin, {})
        refused = f"refused with {-self.errno}: {self.reason}"
        yield Finding(f"{self.function} is", refused, self._answer(wrong))
        yield Finding(f"{self.twin} is", "accepted", self._answer(right))

    def _answer(self, answer: dict[str, Any]) -> str:
        if not answer:
            return "not tried"
        if answer["accepted"]:
            return "accepted"
        reason = self.reason if self.reason in answer["log"] else _last_line(answer["log"])
        return f"refused with {-answer['errno']}: {reason}"


def _last_line(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("processed ")]
    return lines[-1] if lines else "(no log)"
