"""The agent's reply to a script on a correct kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from errno import EAGAIN, EINVAL, ENOSYS
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.model.dynptr import Dynptr
from dynptr_harness.conformance.model.features import Features
from dynptr_harness.conformance.model.octets import Octets
from dynptr_harness.conformance.model.ring import FORCE_WAKEUP, NO_WAKEUP, Record, Ring
from dynptr_harness.protocol.ring import HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

Reply = dict[str, Any]

PAYLOAD = 64  # bytes of a step to write from, and of an access to read into
SLOTS = "ABC"  # D is a clone of A, released in its place


@dataclass
class ScriptModel:
    """One ring, the program that writes to it, and the user space that reads it.

    Attributes:
        program: the object whose program performs the steps: 'steps', 'kfunc_steps' or 'held_steps'.
        kfuncs: the kfuncs of the kernel.
    """

    ring: Ring
    features: Features = field(default_factory=Features)
    program: str = "steps"
    kfuncs: frozenset[str] = frozenset()

    def perform(self, act: dict[str, Any]) -> Reply:
        """Perform one action of a script and return the reply to it.

        Bytes of records are `Octets` in place of text.
        """
        reply: Reply = getattr(self, f"_{act['act']}")(act)
        return reply

    def _ring(self, act: dict[str, Any]) -> Reply:
        self.ring = Ring(act["size"], pending_position=self.features.pending_position)
        return {}

    def _event(self, act: dict[str, Any]) -> Reply:
        reply: Reply = {}
        if "fill" in act:
            reply["fill"] = self._fill(**act["fill"])
        outcomes = [self._step(step) for step in act["steps"]]
        return {**reply, "fired": max(1, len(outcomes)), "outcomes": outcomes}

    def _fill(self, each: dict[str, Any], cnt: int) -> dict[str, int]:
        for granted in range(cnt):
            error, dynptr = self._reserve(each)
            _release(dynptr, each)
            if error:
                return {"granted": granted, "error": error}
        return {"granted": cnt, "error": 0}

    def _step(self, step: dict[str, Any]) -> Reply:
        start = self._position()
        held, reserved, after_reserve = [], [], []
        for slot in step["slots"]:
            error, dynptr = self._reserve(slot)
            held.append(dynptr)
            reserved.append(error)
            after_reserve.append(self._position())
        while len(held) < len(SLOTS):  # an unused slot requests too much, so its dynptr is null
            held.append(Dynptr(self.ring, self.features))
        cloned = self._clone(held)
        accesses = Accesses(self, held, bytes.fromhex(step["payload"]).ljust(PAYLOAD, b"\0"))
        answers = [accesses.perform(access) for access in step["accesses"]]
        return {
            "reserved": reserved,
            "accessed": [answer for answer, _data in answers],
            "cloned": cloned,
            "paused": None,
            "start": start,
            "after_reserve": after_reserve,
            "after_release": list(self._release_all(held, step)),
            "data": [data.padded(PAYLOAD) for _answer, data in answers],
        }

    def _clone(self, held: list[Dynptr]) -> int | None:
        """Add the clone of A after C, if the program makes one."""
        if self.program != "kfunc_steps":
            return None
        if "bpf_dynptr_clone" not in self.kfuncs:
            return -ENOSYS
        answer, clone = held[0].clone()
        held.append(clone)
        return answer

    def _release_all(self, held: list[Dynptr], step: dict[str, Any]) -> Iterator[list[int]]:
        for name in step["order"].replace("D", "A"):
            number = SLOTS.index(name)
            if number < len(step["slots"]):
                _release(held[number], step["slots"][number])
            yield self._position()

    def _held(self, act: dict[str, Any]) -> Reply:
        """Perform a step that pauses while user space performs actions."""
        step, meanwhile = act["step"], iter(act["meanwhile"])
        seen: list[list[Reply]] = []

        def pause(place: str) -> None:
            if place in step["pauses"]:
                seen.append([self.perform(each) for each in next(meanwhile)])

        start, held, reserved, after_reserve, after_release = self._position(), [], [], [], []
        for slot, place in zip(step["slots"], ("after A", "after B"), strict=False):
            error, dynptr = self._reserve(slot)
            held.append(dynptr)
            reserved.append(error)
            after_reserve.append(self._position())
            pause(place)
        if len(held) == 1:
            pause("after B")
        order = [SLOTS.index(name) for name in step["order"] if name != "C"]
        for number in order:
            if number < len(held):
                _release(held[number], step["slots"][number])
            after_release.append(self._position())
            if number == order[0]:
                pause("after release")
        outcome = {
            "reserved": reserved,
            "accessed": [],
            "cloned": None,
            "paused": len(seen),
            "start": start,
            "after_reserve": after_reserve,
            "after_release": [*after_release, after_release[-1]],
            "data": [],
        }
        return {"fired": 1, "outcomes": [outcome], "meanwhile": seen}

    def _peek(self, _act: dict[str, Any]) -> Reply:
        ring = self.ring
        return {
            "consumer": ring.consumer,
            "producer": ring.producer,
            **self._overwriting(),
            "records": [
                {
                    "position": record.position,
                    "header": record.header,
                    "page_offset": ring.page_offset(record),
                    "payload": ring.payload(record),
                }
                for record in ring.unread()
            ],
        }

    def _overwriting(self) -> Reply:
        """Return the extra fields of an overwriting ring: two positions, and the bytes at the consumer's."""
        ring = self.ring
        if not ring.overwrites:
            return {}
        at_consumer = ring.memory.get(ring.consumer, HEADER_BYTES)
        return {"pending": ring.pending, "overwrite": ring.overwrite, "at_consumer": at_consumer}

    def _consume(self, act: dict[str, Any]) -> Reply:
        raw = self._peek(act)
        records = [self.ring.payload(record) for record in self.ring.consume()]
        return {"records": records, "raw": raw, "consumer": self.ring.consumer}

    def _seek(self, act: dict[str, Any]) -> Reply:
        self.ring.consumer = self.ring.producer + act["ahead"]
        return {"consumer": self.ring.consumer}

    def _watch(self, act: dict[str, Any]) -> Reply:
        self.ring.watch(edge_triggered=act["edge"])
        return {}

    def _wait(self, _act: dict[str, Any]) -> Reply:
        return {"events": int(self.ring.wait())}

    def _poll(self, _act: dict[str, Any]) -> Reply:
        return {"in": self.ring.available != 0, "out": False}

    def _reserve(self, slot: dict[str, Any]) -> tuple[int, Dynptr]:
        return Dynptr.reserve(self.ring, self.features, slot["size"], slot["flags"])

    def _position(self) -> list[int]:
        """Return struct position of bpf_src/include/dynptr_harness.h."""
        return [self.ring.query(what) for what in (0, 2, 3)]


def _release(dynptr: Dynptr, slot: dict[str, Any]) -> None:
    dynptr.release(discard=slot["release"] == "discard", flags=slot["release_flags"])


@dataclass(frozen=True)
class Accesses:
    """The accesses of one step to the dynptrs A, B, C and the clone of A, and to the ring."""

    model: ScriptModel
    held: list[Dynptr]
    payload: bytes

    def perform(self, access: dict[str, Any]) -> tuple[int, Octets]:
        """Return the answer in r0 and the bytes that were read."""
        perform = getattr(self, f"_{access['op'].replace('-', '_')}")
        answer: int | tuple[int, Octets] = perform(access)
        return answer if isinstance(answer, tuple) else (answer, Octets.of(b""))

    def _dynptr(self, access: dict[str, Any]) -> Dynptr:
        slot: int = access["slot"]
        return self.held[slot]

    def _source(self, access: dict[str, Any]) -> bytes:
        return self.payload[access["source"] :][: access["len"]]

    def _write(self, access: dict[str, Any]) -> int:
        return self._dynptr(access).write(access["offset"], self._source(access), access["flags"])

    def _read(self, access: dict[str, Any]) -> tuple[int, Octets]:
        return self._dynptr(access).read(access["offset"], access["len"], access["flags"])

    def _slice(self, access: dict[str, Any]) -> int:
        return int(self._dynptr(access).slice(access["offset"], access["len"]))

    def _slice_write(self, access: dict[str, Any]) -> int:
        granted = self._slice(access)
        if granted:
            self._dynptr(access).write(access["offset"], self._source(access), 0)
        return granted

    _rdwr_slice = _slice_write

    def _kfunc_slice(self, access: dict[str, Any]) -> tuple[int, Octets]:
        granted = self._slice(access)
        data = self._dynptr(access).read(access["offset"], access["len"], 0)[1] if granted else Octets.of(b"")
        return granted, data

    _buffer_slice = _kfunc_slice

    def _query(self, access: dict[str, Any]) -> int:
        return self.model.ring.query(access["flags"])

    def _plain_output(self, access: dict[str, Any]) -> int:
        """bpf_ringbuf_output of 8 bytes."""
        flags = access["flags"]
        if flags & ~(NO_WAKEUP | FORCE_WAKEUP):
            return -EINVAL
        record = self.model.ring.reserve(8)
        if not record:
            return -EAGAIN
        self._commit(record, self.payload[:8], discard=False, flags=flags)
        return 0

    def _plain_reserve(self, access: dict[str, Any]) -> int:
        """bpf_ringbuf_reserve of 8 bytes, discarded without flags."""
        record = None if access["flags"] else self.model.ring.reserve(8)
        if record:
            self._commit(record, b"", discard=True, flags=0)
        return int(record is not None)

    def _commit(self, record: Record, data: bytes, *, discard: bool, flags: int) -> None:
        self.model.ring.write(record, 0, Octets.of(data))
        self.model.ring.commit(record, discard=discard, flags=flags)

    def _size(self, access: dict[str, Any]) -> int:
        return self._dynptr(access).query_size()

    def _is_null(self, access: dict[str, Any]) -> int:
        return self._dynptr(access).is_null()

    def _is_rdonly(self, access: dict[str, Any]) -> int:  # noqa: ARG002
        return 0

    def _adjust(self, access: dict[str, Any]) -> int:
        return self._dynptr(access).adjust(access["offset"], access["len"])

    def _memset(self, access: dict[str, Any]) -> int:
        return self._dynptr(access).fill(access["offset"], access["len"], access["flags"])

    def _copy(self, access: dict[str, Any]) -> int:
        other = self.held[1 - access["slot"]]
        return self._dynptr(access).copy_from(access["offset"], other, access["flags"], access["len"])
