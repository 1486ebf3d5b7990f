"""Scripts: acts in a row on a new ring, by a program and by user space, each with what must come of it."""

from __future__ import annotations

from dataclasses import dataclass
from errno import EINVAL
from typing import TYPE_CHECKING, Any, Protocol

from dynptr_harness.conformance.experiments.base import (
    RING_SIZE,
    Finding,
    Reply,
    each_of,
    readable,
    size_of,
)
from dynptr_harness.protocol.ring import BUSY, DISCARDED, footprint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.prog_types import ProgType

# enum of include/uapi/linux/bpf.h: flags of bpf_ringbuf_query, of submit and discard
AVAIL_DATA, RING_SIZE_QUERY, CONS_POS, PROD_POS, OVERWRITE_POS = range(5)
NO_WAKEUP, FORCE_WAKEUP = 1, 2

U32, U64 = 1 << 32, 1 << 64

# How long epoll may take to tell of a wake-up that must come, and how long it listens where none may: a
# wake-up goes through irq_work (kernel/bpf/ringbuf.c, bpf_ringbuf_commit), for which a CPU interrupts itself
# (arch/x86/kernel/irq_work.c), so that it is over before the event's system call returns. With both set to
# nothing all wake-up cases hold in every program type on 6.1, 6.12 and 7.3, none too late.
WAKE_S, NO_WAKE_S = 2.0, 0.001


@dataclass(frozen=True)
class Reserve:
    """One reservation of a step.

    Attributes:
        size: bytes asked for. flags: of the reservation.
        errno: 0 where it must be granted, else the error it must fail with.
        release: 'submit' or 'discard', with `release_flags`.
    """

    size: int
    flags: int = 0
    errno: int = 0
    release: str = "submit"
    release_flags: int = 0

    @property
    def moves(self) -> int:
        """By how much it moves the producer position: the size is a u32 for the kernel."""
        return 0 if self.errno else footprint(self.size % U32)

    def request(self) -> dict[str, Any]:
        """The reservation as the agent takes it."""
        return {
            "size": self.size,
            "flags": self.flags,
            "release": self.release,
            "release_flags": self.release_flags,
        }


# Operations that are kfuncs; see enum op of bpf_src/include/dynptr_harness.h for what they take and answer.
KFUNC_OF = {
    "size": "bpf_dynptr_size",
    "is-null": "bpf_dynptr_is_null",
    "is-null-word": "bpf_dynptr_is_null",
    "is-rdonly": "bpf_dynptr_is_rdonly",
    "adjust": "bpf_dynptr_adjust",
    "kfunc-slice": "bpf_dynptr_slice",
    "buffer-slice": "bpf_dynptr_slice",
    "rdwr-slice": "bpf_dynptr_slice_rdwr",
    "copy": "bpf_dynptr_copy",
    "memset": "bpf_dynptr_memset",
    "probe-read": "bpf_probe_read_kernel_dynptr",
}


@dataclass(frozen=True)
class Access:
    """What a step does with the dynptr in `slot` (0 to 2), or with the ring, while it holds it.

    Attributes:
        op: 'write' and 'slice-write' take their bytes from the step's payload, from `source` on; 'slice'
            and 'plain-reserve' answer 1 for a pointer and 0 for NULL; 'query' takes what to query in
            `flags`. The names in KFUNC_OF are those of kfuncs.
        want: the answer.
        data: for 'read', the bytes that must have been read.
    """

    op: str
    want: int
    len: int = 0
    offset: int = 0
    flags: int = 0
    slot: int = 0
    source: int = 0
    data: bytes = b""

    def request(self) -> dict[str, Any]:
        """The access as the agent takes it."""
        return {
            "op": self.op,
            "slot": self.slot,
            "source": self.source,
            "len": self.len,
            "offset": self.offset,
            "flags": self.flags,
        }

    def __str__(self) -> str:
        plain = self.op in {"query", "plain-output", "size", "is-null", "is-null-word", "is-rdonly"}
        detail = "" if plain else f"{self.offset:#x}, {self.len:#x}"
        flags = f", flags {self.flags:#x}" if self.flags or self.op == "query" else ""
        return f"{self.op}({detail}{flags})"


@dataclass(frozen=True)
class Step:
    """Up to three reservations held at a time, accesses, and their release in the order of `order`.

    Attributes:
        clone: what the cloning of the first dynptr must answer, where the program does that; its clone is
            in slot 3, and is released in its place where the order begins with 'D'.
    """

    slots: tuple[Reserve, ...]
    accesses: tuple[Access, ...] = ()
    payload: bytes = b""
    order: str = "ABC"
    clone: int | None = None

    def request(self) -> dict[str, Any]:
        """The step as the agent takes it."""
        return {
            "slots": [slot.request() for slot in self.slots],
            "accesses": [access.request() for access in self.accesses],
            "payload": self.payload.hex(),
            "order": self.order,
        }

    def findings(self, outcome: dict[str, Any]) -> Iterator[Finding]:
        """Answers of the helpers, and where the ring's positions must be at each point."""
        yield Finding("reserve", [-slot.errno for slot in self.slots], outcome["reserved"])
        if self.clone is not None:
            yield Finding("clone", self.clone, outcome["cloned"])
        for access, seen, data in zip(self.accesses, outcome["accessed"], outcome["data"], strict=True):
            yield Finding(str(access), access.want, seen)
            if access.data:
                yield Finding(f"{access} gives", access.data.hex(), data[: 2 * len(access.data)])
        yield from self._positions(outcome)

    def _positions(self, outcome: dict[str, Any]) -> Iterator[Finding]:
        """A granted reservation moves the producer at once; a release moves nothing."""
        start = outcome["start"]
        _available, consumer, producer = start
        points = [start]
        wanted = [_position(producer, consumer)]
        for slot, seen in zip(self.slots, outcome["after_reserve"], strict=True):
            producer += slot.moves
            points.append(seen)
            wanted.append(_position(producer, consumer))
        points += outcome["after_release"]
        wanted += [_position(producer, consumer)] * len(outcome["after_release"])
        yield Finding(POSITIONS, wanted, points)


POSITIONS = "available data, consumer and producer position"  # of the lists that an outcome has of them


def _position(producer: int, consumer: int) -> list[int]:
    available = (producer - consumer) % U64
    if available >= U64 // 2:  # the agent reads signed numbers
        available -= U64
    return [available, consumer, producer]


def submitted(payload: bytes, flags: int = 0) -> Step:
    """A record that is granted, written, read back and submitted."""
    return _written(payload, Reserve(len(payload), release_flags=flags))


def discarded(payload: bytes, flags: int = 0) -> Step:
    """A record that is granted, written, read back and discarded."""
    return _written(payload, Reserve(len(payload), release="discard", release_flags=flags))


def _written(payload: bytes, slot: Reserve) -> Step:
    accesses = (Access("write", 0, len(payload)), Access("read", 0, len(payload), data=payload))
    return Step((slot,), accesses, payload)


def refused(slot: Reserve) -> Step:
    """A reservation that must fail, after which the dynptr is null: it can't be written, read or sliced."""
    accesses = (
        Access("write", -EINVAL, 8),
        Access("write", -EINVAL, 0),
        Access("read", -EINVAL, 8),
        Access("read", -EINVAL, 0),
        Access("slice", 0, 8),
        Access("slice", 0, 0),
    )
    return Step((slot,), accesses, b"no room!")


class Act(Protocol):
    """One act of a script."""

    def request(self) -> dict[str, Any]:
        """What the agent is asked to do."""

    def findings(self, seen: Reply) -> Iterator[Finding]:
        """What must come of it, beside what did."""


@dataclass(frozen=True)
class Fill:
    """`cnt` reservations of one size in a row, before the steps of the event; stops at the first refusal.

    Attributes:
        granted: how many must be.
        errno: of the one that must not be, 0 where all must be granted.
    """

    each: Reserve
    cnt: int
    granted: int
    errno: int = 0


@dataclass(frozen=True)
class Event:
    """The type's event, whose program fills and does the first step; and again for each further step."""

    steps: tuple[Step, ...] = ()
    fill: Fill | None = None

    @property
    def new_ring(self) -> bool:
        """Whether it counts positions from the making of the ring, or needs records that are all alike."""
        accesses = (access for step in self.steps for access in step.accesses)
        return bool(self.fill) or any(
            access.op == "query" and access.flags in {CONS_POS, PROD_POS} for access in accesses
        )

    def request(self) -> dict[str, Any]:
        request: dict[str, Any] = {"act": "event", "steps": [step.request() for step in self.steps]}
        if self.fill:
            request["fill"] = {"each": self.fill.each.request(), "cnt": self.fill.cnt}
        return request

    def findings(self, seen: Reply) -> Iterator[Finding]:
        times = max(1, len(self.steps))
        yield Finding("the program ran", times, seen["fired"])
        if seen["fired"] < times:
            return  # nor did it write every outcome
        if self.fill:
            want = {"granted": self.fill.granted, "error": -self.fill.errno}
            yield Finding(f"filled with records of {self.fill.each.size}", want, seen["fill"])
        for number, (step, outcome) in enumerate(zip(self.steps, seen["outcomes"], strict=True), 1):
            for finding in step.findings(outcome):
                yield Finding(f"step {number} {finding.name}", finding.want, finding.seen)


@dataclass(frozen=True)
class NewRing:
    """Another new ring takes the place of the one so far."""

    size: int = RING_SIZE

    def request(self) -> dict[str, Any]:
        return {"act": "ring", "size": self.size}

    def findings(self, seen: Reply) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()


@dataclass(frozen=True)
class Peek:
    """What lies in the ring, by the raw reader: the header words of all records, in order.

    Attributes:
        page_offset: the other half of each header; 3 in the first page of the data, which comes after the
            kernel's own page and the two with the positions.
    """

    headers: tuple[int, ...]
    page_offset: int | None = None

    def request(self) -> dict[str, Any]:
        return {"act": "peek"}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        headers, records = [hex(header) for header in self.headers], each_of(seen["records"])
        yield Finding("headers", headers, [hex(record["header"]) for record in records])
        if self.page_offset is not None:
            offsets = [record["page_offset"] for record in records]
            yield Finding("page offsets", [self.page_offset] * len(self.headers), offsets)
        taken = sum(footprint(size_of(record["payload"])) for record in records)
        yield Finding("bytes between the positions", taken, seen["producer"] - seen["consumer"])


@dataclass(frozen=True)
class Consume:
    """Both consumers take what is there and must agree on it.

    Attributes:
        records: the payloads that must arrive; a number stands for that many bytes of anything.
    """

    records: tuple[bytes | int, ...]

    @property
    def new_ring(self) -> bool:
        """Whether a record is to be all zeroes, as only what nobody ever wrote to is."""
        return any(isinstance(record, bytes) and record and not any(record) for record in self.records)

    def request(self) -> dict[str, Any]:
        return {"act": "consume"}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield Finding("records", *self._beside(seen["records"]))
        raw, end = raw_view(seen["raw"])
        yield Finding("records by the raw reader", *self._beside(raw))
        yield Finding("both readers agree", seen["records"], raw)
        yield Finding("consumer position afterwards", end, seen["consumer"])

    def _beside(self, seen: Sequence[str]) -> tuple[list[str], list[str]]:
        """Wanted and seen records as text; where only a length is wanted, only the length is told."""
        wants = [f"{want} bytes" if isinstance(want, int) else readable(want.hex()) for want in self.records]
        told = [
            f"{size_of(record)} bytes"
            if i < len(self.records) and isinstance(self.records[i], int)
            else readable(record)
            for i, record in enumerate(seen)
        ]
        return wants, told


def raw_view(raw: dict[str, Any]) -> tuple[list[str], int]:
    """What a correct consumer takes from the raw records: (payloads, consumer position afterwards).

    It stops at the first record that is busy and skips those that were discarded.
    """
    payloads, position = [], raw["consumer"]
    for record in each_of(raw["records"]):
        if record["header"] & BUSY:
            break
        if not record["header"] & DISCARDED:
            payloads.append(record["payload"])
        position = record["position"] + footprint(size_of(record["payload"]))
    return payloads, position


@dataclass(frozen=True)
class Seek:
    """User space writes the consumer position: to the producer position plus `ahead`."""

    ahead: int = 0

    def request(self) -> dict[str, Any]:
        return {"act": "seek", "ahead": self.ahead}

    def findings(self, seen: Reply) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()


@dataclass(frozen=True)
class Watch:
    """An epoll instance is made for the ring."""

    edge: bool = False

    def request(self) -> dict[str, Any]:
        return {"act": "watch", "edge": self.edge}

    def findings(self, seen: Reply) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()


@dataclass(frozen=True)
class Wait:
    """What epoll says within the time that it is given: woken or not."""

    woken: bool

    def request(self) -> dict[str, Any]:
        return {"act": "wait", "seconds": WAKE_S if self.woken else NO_WAKE_S}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield Finding("epoll events", int(self.woken), seen["events"])


@dataclass(frozen=True)
class Poll:
    """What poll(2) says now; a ring that the kernel writes is never ready for writing."""

    readable: bool

    def request(self) -> dict[str, Any]:
        return {"act": "poll"}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield Finding("poll(2)", {"in": self.readable, "out": False}, seen)


@dataclass(frozen=True)
class Held:
    """The type's event, whose program holds two reservations open while user space acts.

    Attributes:
        slots: one or two; the second is released first if `order` is 'BAC'.
        after_a, after_b: acts after the first reservation and after the second.
        after_release: acts after the first release.
    """

    slots: tuple[Reserve, ...]
    order: str = "ABC"
    after_a: tuple[Act, ...] = ()
    after_b: tuple[Act, ...] = ()
    after_release: tuple[Act, ...] = ()

    @property
    def _pauses(self) -> dict[str, tuple[Act, ...]]:
        pauses = {"after A": self.after_a, "after B": self.after_b, "after release": self.after_release}
        return {place: acts for place, acts in pauses.items() if acts}

    def request(self) -> dict[str, Any]:
        return {
            "act": "held",
            "step": {**Step(self.slots, order=self.order).request(), "pauses": list(self._pauses)},
            "meanwhile": [[act.request() for act in acts] for acts in self._pauses.values()],
        }

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield Finding("the program ran", 1, seen["fired"])
        if not seen["fired"]:
            return  # nor did it write any outcome
        outcome = seen["outcomes"][0]
        yield Finding("reserve", [-slot.errno for slot in self.slots], outcome["reserved"])
        yield Finding("pauses ended by user space", len(self._pauses), outcome["paused"])
        yield from self._positions(outcome)
        yield Finding("pauses watched", len(self._pauses), len(seen["meanwhile"]))
        for (place, acts), replies in zip(self._pauses.items(), seen["meanwhile"], strict=False):
            for act, reply in zip(acts, replies, strict=True):
                for finding in act.findings(reply):
                    yield Finding(f"{place} {finding.name}", finding.want, finding.seen)

    def _positions(self, outcome: dict[str, Any]) -> Iterator[Finding]:
        """As in a step, but user space may have moved the consumer in the pause after a reservation."""
        _available, consumer, producer = outcome["start"]
        wanted = []
        for slot, acts in zip(self.slots, (self.after_a, self.after_b), strict=False):
            producer += slot.moves
            wanted.append(_position(producer, consumer))
            for act in acts:
                consumer = producer + act.ahead if isinstance(act, Seek) else consumer
        wanted += [_position(producer, consumer)] * len(outcome["after_release"])
        yield Finding(POSITIONS, wanted, outcome["after_reserve"] + outcome["after_release"])


@dataclass(frozen=True)
class Script:
    """Acts in a row on a ring in which there is nothing, and which is new where they depend on that.

    Attributes:
        ring_flags: of the ring that the script begins with.
        object: the ELF object whose program does the steps, where libbpf loads it; BCC has one only.
    """

    acts: tuple[Act, ...]
    ring_size: int = RING_SIZE
    object: str = "steps"
    ring_flags: int = 0

    def request(self) -> dict[str, Any]:
        return {
            "kind": "script",
            "object": self.object,
            "ring_size": self.ring_size,
            "ring_flags": self.ring_flags,
            "new_ring": self._new_ring,
            "acts": [act.request() for act in self.acts],
        }

    @property
    def _new_ring(self) -> bool:
        """What is asked of rings of another kind is about where they began, too."""
        return bool(self.ring_flags) or any(getattr(act, "new_ring", False) for act in self.acts)

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:  # noqa: ARG002
        seen = reply.get("acts", [])
        yield Finding("acts done", len(self.acts), len(seen))
        for number, (act, of_act) in enumerate(zip(self.acts, seen, strict=False), 1):
            for finding in act.findings(of_act):
                yield Finding(f"act {number}, {finding.name}", finding.want, finding.seen)


def script(*acts: Act, ring_size: int = RING_SIZE, by: str = "steps") -> Script:
    """A script of these acts; `by` is the object whose program does the steps."""
    return Script(acts, ring_size, by)
