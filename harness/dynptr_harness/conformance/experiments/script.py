"""Scripts: actions of a program and of user space on one ring, each with its expected result."""

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

# Seconds that epoll waits for an expected wake-up, and for an unexpected one. A wake-up goes through irq_work
# (kernel/bpf/ringbuf.c, bpf_ringbuf_commit). The CPU interrupts itself for it (arch/x86/kernel/irq_work.c),
# so it is done before the event's system call returns. With both set to zero, all wake-up cases pass in every
# program type on 6.1, 6.12 and 7.3.
WAKE_S, NO_WAKE_S = 2.0, 0.001


@dataclass(frozen=True)
class Reserve:
    """One reservation of a step.

    Attributes:
        size: in bytes.
        flags: flags of the reservation.
        errno: expected error; 0 if it must succeed.
        release: 'submit' or 'discard', with `release_flags`.
    """

    size: int
    flags: int = 0
    errno: int = 0
    release: str = "submit"
    release_flags: int = 0

    @property
    def moves(self) -> int:
        """Bytes by which it moves the producer position. The size is a u32 in the kernel."""
        return 0 if self.errno else footprint(self.size % U32)

    def request(self) -> dict[str, Any]:
        """Return the reservation for the agent."""
        return {
            "size": self.size,
            "flags": self.flags,
            "release": self.release,
            "release_flags": self.release_flags,
        }


# Operations that call kfuncs. enum op in bpf_src/include/dynptr_harness.h describes arguments and results.
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
    """An operation of a step on the dynptr in `slot` (0 to 2), or on the ring.

    Attributes:
        op: 'write' and 'slice-write' write bytes of the step's payload, starting at `source`. 'slice' and
            'plain-reserve' return 1 for a pointer and 0 for NULL. 'query' takes the query in `flags`. The
            names in KFUNC_OF call kfuncs.
        want: expected result.
        data: expected bytes of a 'read'.
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
        """Return the access for the agent."""
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
    """Up to three reservations held at the same time, accesses, and the releases in the order of `order`.

    Attributes:
        clone: expected result of cloning the first dynptr; None to not clone it. The clone is in slot 3. It
            is released in place of the first dynptr if the order begins with 'D'.
    """

    slots: tuple[Reserve, ...]
    accesses: tuple[Access, ...] = ()
    payload: bytes = b""
    order: str = "ABC"
    clone: int | None = None

    def request(self) -> dict[str, Any]:
        """Return the step for the agent."""
        return {
            "slots": [slot.request() for slot in self.slots],
            "accesses": [access.request() for access in self.accesses],
            "payload": self.payload.hex(),
            "order": self.order,
        }

    def findings(self, outcome: dict[str, Any]) -> Iterator[Finding]:
        """Yield the findings on the results of the helpers, and on the positions after each call."""
        yield Finding("reserve", [-slot.errno for slot in self.slots], outcome["reserved"])
        if self.clone is not None:
            yield Finding("clone", self.clone, outcome["cloned"])
        for access, seen, data in zip(self.accesses, outcome["accessed"], outcome["data"], strict=True):
            yield Finding(str(access), access.want, seen)
            if access.data:
                yield Finding(f"{access} gives", access.data.hex(), data[: 2 * len(access.data)])
        yield from self._positions(outcome)

    def _positions(self, outcome: dict[str, Any]) -> Iterator[Finding]:
        """Check that a successful reservation moves the producer position and a release does not."""
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


POSITIONS = "available data, consumer and producer position"  # one list for each point in an outcome


def _position(producer: int, consumer: int) -> list[int]:
    available = (producer - consumer) % U64
    if available >= U64 // 2:  # the agent reads signed numbers
        available -= U64
    return [available, consumer, producer]


def submitted(payload: bytes, flags: int = 0) -> Step:
    """Return a step that reserves, writes, reads back and submits a record."""
    return _written(payload, Reserve(len(payload), release_flags=flags))


def discarded(payload: bytes, flags: int = 0) -> Step:
    """Return a step that reserves, writes, reads back and discards a record."""
    return _written(payload, Reserve(len(payload), release="discard", release_flags=flags))


def _written(payload: bytes, slot: Reserve) -> Step:
    accesses = (Access("write", 0, len(payload)), Access("read", 0, len(payload), data=payload))
    return Step((slot,), accesses, payload)


def refused(slot: Reserve) -> Step:
    """Return a step with a reservation that must fail. Its null dynptr can't be written, read or sliced."""
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
    """One action of a script."""

    def request(self) -> dict[str, Any]:
        """Return the action for the agent."""

    def findings(self, seen: Reply) -> Iterator[Finding]:
        """Yield each expectation with the observation in the reply."""


@dataclass(frozen=True)
class Fill:
    """`cnt` identical reservations before the steps of an event, until the first one that fails.

    Attributes:
        granted: expected number of successful reservations.
        errno: expected error of the next one; 0 if all must succeed.
    """

    each: Reserve
    cnt: int
    granted: int
    errno: int = 0


@dataclass(frozen=True)
class Event:
    """Triggers the event once for each step. The first run of the program also does the fill."""

    steps: tuple[Step, ...] = ()
    fill: Fill | None = None

    @property
    def new_ring(self) -> bool:
        """True if it expects absolute positions, or needs the whole ring."""
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
            return  # there are no outcomes to check
        if self.fill:
            want = {"granted": self.fill.granted, "error": -self.fill.errno}
            yield Finding(f"filled with records of {self.fill.each.size}", want, seen["fill"])
        for number, (step, outcome) in enumerate(zip(self.steps, seen["outcomes"], strict=True), 1):
            for finding in step.findings(outcome):
                yield Finding(f"step {number} {finding.name}", finding.want, finding.seen)


@dataclass(frozen=True)
class NewRing:
    """Replaces the ring by a new one."""

    size: int = RING_SIZE

    def request(self) -> dict[str, Any]:
        return {"act": "ring", "size": self.size}

    def findings(self, seen: Reply) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()


@dataclass(frozen=True)
class Peek:
    """Reads the headers of all records with the raw reader.

    Attributes:
        headers: first word of each header, in order.
        page_offset: second word of each header. It is 3 in the first data page, which follows the kernel's
            page and the two position pages.
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
    """Consumes all records with libbpf and with the raw reader, which must agree.

    Attributes:
        records: expected payloads; a number is the size of a payload with any content.
    """

    records: tuple[bytes | int, ...]

    @property
    def new_ring(self) -> bool:
        """True if it expects a record of zero bytes, which only an unused ring has."""
        return any(isinstance(record, bytes) and record and not any(record) for record in self.records)

    def request(self) -> dict[str, Any]:
        return {"act": "consume"}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield Finding("records", *self._comparable(seen["records"]))
        raw, end = raw_view(seen["raw"])
        yield Finding("records by the raw reader", *self._comparable(raw))
        yield Finding("both readers agree", seen["records"], raw)
        yield Finding("consumer position afterwards", end, seen["consumer"])

    def _comparable(self, seen: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the expected and the seen records as text, or their sizes where only a size is expected."""
        wants = [f"{want} bytes" if isinstance(want, int) else readable(want.hex()) for want in self.records]
        seen_texts = [
            f"{size_of(record)} bytes"
            if i < len(self.records) and isinstance(self.records[i], int)
            else readable(record)
            for i, record in enumerate(seen)
        ]
        return wants, seen_texts


def raw_view(raw: dict[str, Any]) -> tuple[list[str], int]:
    """Return (payloads, consumer position afterwards) of a correct consumer of the raw records.

    A consumer stops at the first busy record and skips discarded ones.
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
    """Sets the consumer position to the producer position plus `ahead`."""

    ahead: int = 0

    def request(self) -> dict[str, Any]:
        return {"act": "seek", "ahead": self.ahead}

    def findings(self, seen: Reply) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()


@dataclass(frozen=True)
class Watch:
    """Creates an epoll instance for the ring."""

    edge: bool = False

    def request(self) -> dict[str, Any]:
        return {"act": "watch", "edge": self.edge}

    def findings(self, seen: Reply) -> Iterator[Finding]:  # noqa: ARG002
        yield from ()


@dataclass(frozen=True)
class Wait:
    """Waits with epoll for a limited time."""

    woken: bool

    def request(self) -> dict[str, Any]:
        return {"act": "wait", "seconds": WAKE_S if self.woken else NO_WAKE_S}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield Finding("epoll events", int(self.woken), seen["events"])


@dataclass(frozen=True)
class Poll:
    """Calls poll(2). A ring that the kernel writes is never writable."""

    readable: bool

    def request(self) -> dict[str, Any]:
        return {"act": "poll"}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield Finding("poll(2)", {"in": self.readable, "out": False}, seen)


@dataclass(frozen=True)
class Held:
    """Triggers the event. The program holds its reservations while user space acts.

    Attributes:
        slots: one or two reservations; the second is released first if `order` is 'BAC'.
        after_a, after_b: actions after the first reservation and after the second.
        after_release: actions after the first release.
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
            return  # there is no outcome to check
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
        """Check positions as in a step. User space may have moved the consumer position in a pause."""
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
    """Actions on an empty ring. The ring is new if the actions require that.

    Attributes:
        ring_size: size of the first ring in bytes.
        ring_flags: flags of the first ring.
        object: ELF object of the program for the steps, with libbpf; BCC has only one program.
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
        """True if the actions require a new ring, as on all rings with flags."""
        return bool(self.ring_flags) or any(getattr(act, "new_ring", False) for act in self.acts)

    def findings(self, prog_type: ProgType, facts: Mapping[str, Any], reply: Reply) -> Iterator[Finding]:  # noqa: ARG002
        seen = reply.get("acts", [])
        yield Finding("acts done", len(self.acts), len(seen))
        for number, (act, of_act) in enumerate(zip(self.acts, seen, strict=False), 1):
            for finding in act.findings(of_act):
                yield Finding(f"act {number}, {finding.name}", finding.want, finding.seen)


def script(*acts: Act, ring_size: int = RING_SIZE, by: str = "steps") -> Script:
    """Return a script of these actions. `by` is the object whose program runs the steps."""
    return Script(acts, ring_size, by)
