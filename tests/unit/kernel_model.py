"""A model of a correct kernel, for tests without a VM. It replies to the requests of the host.

It models a ring buffer with positions and records, and derives the replies from it. The sources are
include/uapi/linux/bpf.h (the helper's documentation) and Documentation/bpf/ringbuf.rst, not the harness.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dynptr_harness.protocol.kfuncs import KFUNCS

from tests.unit.flood_model import CPUS, flood
from tests.unit.map_model import OVERWRITE as RB_OVERWRITE
from tests.unit.map_model import PAGE, MapModel

FACTS: dict[str, Any] = {
    "release": "7.3.4-model",
    "arch": "x86_64",
    "byteorder": "little",
    "has_helper": True,
    "kfuncs": list(KFUNCS),
    "overwriting_rings": True,
    "cpus": CPUS,
}

EPERM, EBADF, EINVAL, E2BIG, EAGAIN, ERANGE = 1, 9, 22, 7, 11, 34
VERIFIER_ANSWERS = json.loads(Path(__file__).with_name("verifier_answers.json").read_text())["answers"]
NOT_OFFERED = "program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198\n"
LEAK = "0: R1=ctx() R10=fp0\nUnreleased reference id=2 alloc_insn=5\nprocessed 9 insns (limit 1000000)\n"
# enum bpf_prog_type of include/uapi/linux/bpf.h, from 1
_TYPES = (
    *("SOCKET_FILTER", "KPROBE", "SCHED_CLS", "SCHED_ACT", "TRACEPOINT", "XDP"),
    *("PERF_EVENT", "CGROUP_SKB", "CGROUP_SOCK", "LWT_IN", "LWT_OUT", "LWT_XMIT"),
    *("SOCK_OPS", "SK_SKB", "CGROUP_DEVICE", "SK_MSG", "RAW_TRACEPOINT", "CGROUP_SOCK_ADDR"),
    *(
        "LWT_SEG6LOCAL",
        "LIRC_MODE2",
        "SK_REUSEPORT",
        "FLOW_DISSECTOR",
        "CGROUP_SYSCTL",
        "RAW_TRACEPOINT_WRITABLE",
    ),
    *("CGROUP_SOCKOPT", "TRACING", "STRUCT_OPS", "EXT", "LSM", "SK_LOOKUP"),
    *("SYSCALL", "NETFILTER"),
)
TYPE_NUMBERS = {name: number for number, name in enumerate(_TYPES, 1)}
# Types whose event is a message. Their programs let it pass.
RECEIVING = frozenset(
    {
        *("CGROUP_SKB", "FLOW_DISSECTOR", "LWT_IN", "LWT_OUT", "LWT_SEG6LOCAL", "LWT_XMIT", "NETFILTER"),
        *("SCHED_ACT", "SCHED_CLS", "SK_LOOKUP", "SK_MSG", "SK_REUSEPORT", "SK_SKB", "SOCKET_FILTER", "XDP"),
    }
)

# Types that need only CAP_BPF, and types that also need CAP_PERFMON. All others need CAP_NET_ADMIN, except
# two that are unprivileged. Sources: capabilities(7), include/uapi/linux/capability.h.
NEED_BPF = frozenset({"SK_LOOKUP", "SK_REUSEPORT", "SYSCALL"})
NEED_PERFMON = frozenset(
    {
        *("KPROBE", "LSM", "PERF_EVENT", "RAW_TRACEPOINT", "RAW_TRACEPOINT_WRITABLE"),
        *("STRUCT_OPS", "TRACEPOINT", "TRACING"),
    }
)

BUSY, DISCARDED = 1 << 31, 1 << 30
NO_WAKEUP, FORCE_WAKEUP = 1, 2
ORDERS = {
    "ABC": (0, 1, 2),
    "ACB": (0, 2, 1),
    "BAC": (1, 0, 2),
    "BCA": (1, 2, 0),
    "CAB": (2, 0, 1),
    "CBA": (2, 1, 0),
    "DBC": (0, 1, 2),
}


class NotRecorded(AssertionError):
    """The verifier's answers to some programs are not in verifier_answers.json."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(
            f"no recorded verifier answer for {', '.join(names)}: run `make record`, which boots a kernel"
        )


@dataclass
class Record:
    """A record in the ring buffer.

    Attributes:
        position: position of the header.
        size: length of the payload in bytes.
        header: busy and discard bits, and the length.
    """

    position: int
    size: int
    header: int

    @property
    def end(self) -> int:
        """Return the position of the next record."""
        return self.position + ((self.size + 8 + 7) & ~7)


@dataclass
class Dynptr:
    """A dynptr of a program: a range of a record. It is null without a record."""

    record: Record | None
    offset: int = 0
    size: int = 0

    @classmethod
    def of(cls, reserved: Record | int) -> Dynptr:
        return cls(None) if isinstance(reserved, int) else cls(reserved, 0, reserved.size)


REUSED_OFFSET = 1000  # offset at which a script begins in a ring that was used before


@dataclass
class Ring:
    """A ring buffer: its memory, its growing positions, and the state of an epoll instance."""

    size: int
    consumer: int = 0
    producer: int = 0
    records: list[Record] = field(default_factory=list)
    edge: bool | None = None  # edge-triggered epoll or not; None without epoll
    woken: bool = False
    overwrites: bool = False
    pending: int = 0  # position of the oldest busy record
    overwrite: int = 0  # position of the oldest record that is not overwritten

    def __post_init__(self) -> None:
        self.memory = bytearray(self.size)

    def age(self) -> None:
        """Make it a used ring: everything was read, and the old bytes are still there."""
        self.consumer = self.producer = self.pending = 3 * self.size + REUSED_OFFSET
        self.memory[:] = b"\xee" * self.size

    def reserve(self, size: int, flags: int) -> Record | int:
        size %= 1 << 32
        if flags:
            return -EINVAL
        if size >= 1 << 24:
            return -E2BIG
        taken = (size + 8 + 7) & ~7
        if not self._make_room(taken):
            return -EINVAL
        record = Record(self.producer, size, BUSY | size)
        self.records.append(record)
        self.producer += taken
        return record

    def _make_room(self, taken: int) -> bool:
        end = self.producer + taken
        open_at = [record.position for record in self.records if record.header & BUSY]
        self.pending = min([self.producer, *open_at])
        if end - self.pending >= self.size:  # one byte always stays free
            return False
        if not self.overwrites:
            return 0 <= end - self.consumer < self.size
        ends = (record.end for record in self.records if record.end > self.overwrite)
        while end - self.overwrite >= self.size:
            self.overwrite = next(ends)
        return True

    def release(self, record: Record | int, how: str, flags: int) -> None:
        if isinstance(record, int):
            return
        record.header = record.size | (DISCARDED if how == "discard" else 0)
        if flags & FORCE_WAKEUP or (
            not flags & NO_WAKEUP and record.position % self.size == self.consumer % self.size
        ):
            self.woken = self.edge is not None

    def bytes_at(self, record: Record, offset: int, length: int) -> bytes:
        start = (record.position + 8 + offset) % self.size
        whole = self.memory[start : start + length]
        return bytes(whole + self.memory[: length - len(whole)])

    def put(self, record: Record, offset: int, octets: bytes) -> None:
        for i, octet in enumerate(octets):
            self.memory[(record.position + 8 + offset + i) % self.size] = octet

    def query(self, what: int) -> int:
        data = self.producer - max(self.consumer, self.overwrite)
        return {0: data, 1: self.size, 2: self.consumer, 3: self.producer, 4: self.overwrite}.get(what, 0)

    def place(self) -> list[int]:
        """Return the fields of struct position."""
        return [self.query(0), self.consumer, self.producer]


def shown(payload: bytes) -> str:
    """Return a payload in the form of the agent."""
    return payload.hex() if len(payload) <= 256 else f"{len(payload)} bytes, sha256 of the model"


class KernelModel:
    """Replies to requests like the agent on a correct kernel."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        answers = {
            "phases": self._phases,
            "script": self._script,
            "load": self._load,
            "maps": self._calls,
            "rights": self._rights,
            "flood": flood,
            "example": _example,
        }
        return answers[request["kind"]](request)

    def _phases(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["prog_type"]
        if name in {"LIRC_MODE2", "STRUCT_OPS/bpf_dummy_ops"}:
            return {"loader": "bcc", "refused": {"errno": EINVAL, "log": NOT_OFFERED}}
        base = name.partition("/")[0]
        record = struct.pack("<IIQQ", TYPE_NUMBERS[base], 1, *request["words"])

        def phase(*, attached: bool) -> dict[str, Any]:
            events: dict[str, Any] = {
                **({name: {"received": "message"}} if base in RECEIVING else {}),
                "CGROUP_SYSCTL": {"read": "Linux"},
                "EXT": {"answer": 2 if attached else 1},
                "STRUCT_OPS": {"used": attached},
                "TRACING/iter": {"read": "" if attached else None},
                "TRACING/sleepable": {"prog_run": 0},
                "RAW_TRACEPOINT_WRITABLE": {"test_run": -86 if attached else 0},
                "SYSCALL": {"prog_run": 0 if attached else -EBADF},
            }
            records = [record.hex()] if attached else []
            return {
                "fired": len(records),
                "event": events.get(name),
                "polled": len(records),
                "records": records,
            }

        silent = phase(attached=False)
        return {"loader": "bcc", "before": silent, "attached": phase(attached=True), "after": {**silent}}

    def _script(self, request: dict[str, Any]) -> dict[str, Any]:
        self.ring = Ring(request["ring_size"], overwrites=bool(request["ring_flags"] & RB_OVERWRITE))
        if not request["new_ring"]:
            self.ring.age()
        return {"loader": "bcc", "acts": [getattr(self, f"_{act['act']}")(act) for act in request["acts"]]}

    @staticmethod
    def _calls(request: dict[str, Any]) -> dict[str, Any]:
        maps = MapModel()
        return {"loader": "bcc", "acts": [maps.answer(act) for act in request["acts"]]}

    def _ring(self, act: dict[str, Any]) -> dict[str, Any]:
        self.ring = Ring(act["size"])
        return {}

    def _event(self, act: dict[str, Any]) -> dict[str, Any]:
        fill = self._fill(act["fill"]) if "fill" in act else {"granted": 0, "error": 0}
        outcomes = [self._step(step) for step in act["steps"]]
        return {"fired": max(1, len(outcomes)), "fill": fill, "outcomes": outcomes}

    def _fill(self, fill: dict[str, Any]) -> dict[str, int]:
        each = fill["each"]
        for granted in range(fill["cnt"]):
            record = self.ring.reserve(each["size"], each["flags"])
            self.ring.release(record, each["release"], each["release_flags"])
            if isinstance(record, int):
                return {"granted": granted, "error": record}
        return {"granted": fill["cnt"], "error": 0}

    def _step(self, step: dict[str, Any]) -> dict[str, Any]:
        ring, start = self.ring, self.ring.place()
        records: list[Record | int] = []
        after_reserve, after_release = [], []
        for slot in step["slots"]:
            records.append(ring.reserve(slot["size"], slot["flags"]))
            after_reserve.append(ring.place())
        payload = bytes.fromhex(step["payload"]).ljust(64, b"\0")
        held = [Dynptr.of(record) for record in records] + [Dynptr(None)] * (3 - len(records))
        held.append(replace(held[0]))  # the clone of the programs with kfuncs
        answers = [self._access(held, access, payload) for access in step["accesses"]]
        for i in ORDERS[step["order"]]:
            if i < len(records):
                slot = step["slots"][i]
                ring.release(records[i], slot["release"], slot["release_flags"])
            after_release.append(ring.place())
        return {
            "reserved": [record if isinstance(record, int) else 0 for record in records],
            "accessed": [result for result, _ in answers],
            "cloned": 0 if held[3].record else -EINVAL,
            "start": start,
            "after_reserve": after_reserve,
            "after_release": after_release,
            "data": [data.ljust(64, b"\0").hex() for _, data in answers],
        }

    def _access(self, held: list[Dynptr], access: dict[str, Any], payload: bytes) -> tuple[int, bytes]:
        op, flags, dynptr = access["op"], access["flags"], held[access["slot"]]
        if op == "query":
            return self.ring.query(flags), b""
        if op in {"plain-output", "plain-reserve"}:
            return self._plain(op, flags)
        if op in {"size", "is-null", "is-null-word", "is-rdonly", "adjust"}:
            return self._look(dynptr, access), b""
        if op in {"copy", "memset", "probe-read"}:
            return self._fill_in(held, access, payload), b""
        return self._transfer(dynptr, access, payload)

    def _transfer(self, dynptr: Dynptr, access: dict[str, Any], payload: bytes) -> tuple[int, bytes]:
        """Read, write or slice."""
        op, offset, length = access["op"], access["offset"], access["len"]
        slicing = "slice" in op
        if not dynptr.record:
            return (0 if slicing else -EINVAL), b""
        beyond = length > dynptr.size or offset > dynptr.size - length
        if access["flags"] and (op == "read" or not beyond):
            return -EINVAL, b""
        if beyond:
            return (0 if slicing else -E2BIG), b""
        if op in {"write", "slice-write", "rdwr-slice"}:
            self.ring.put(dynptr.record, dynptr.offset + offset, payload[access["source"] :][:length])
        reading = op in {"read", "kfunc-slice", "buffer-slice"}
        seen = self.ring.bytes_at(dynptr.record, dynptr.offset + offset, length) if reading else b""
        return int(slicing), seen

    def _look(self, dynptr: Dynptr, access: dict[str, Any]) -> int:
        """Kfuncs that inspect the dynptr or change its range."""
        op, start, end = access["op"], access["offset"], access["len"]
        if op.startswith("is-"):
            return int(op != "is-rdonly" and not dynptr.record)
        if not dynptr.record:
            return -EINVAL
        if op == "size":
            return dynptr.size
        if start > end:
            return -EINVAL
        if end > dynptr.size:
            return -ERANGE
        dynptr.offset, dynptr.size = dynptr.offset + start, end - start
        return 0

    def _fill_in(self, held: list[Dynptr], access: dict[str, Any], payload: bytes) -> int:
        """Kfuncs that copy other bytes into a reservation."""
        op, offset, length, flags = access["op"], access["offset"], access["len"], access["flags"]
        to, other = held[access["slot"]], held[1 - access["slot"] % 2]
        if op == "copy" and (to.record is None) != (other.record is None):
            return -EINVAL
        source = flags if op == "copy" else 0
        if offset + length > to.size or (op == "copy" and source + length > other.size):
            return -E2BIG
        if op == "probe-read" and flags:
            return -ERANGE
        octets = {"memset": bytes([flags & 0xFF]) * length, "probe-read": payload[access["source"] :]}
        if op == "copy" and other.record:
            octets["copy"] = self.ring.bytes_at(other.record, other.offset + source, length)
        if to.record:
            self.ring.put(to.record, to.offset + offset, octets[op][:length])
        return 0

    def _held(self, act: dict[str, Any]) -> dict[str, Any]:
        ring, step, meanwhile = self.ring, act["step"], iter(act["meanwhile"])
        start, pauses, seen = ring.place(), step["pauses"], []

        def pause(place: str) -> None:
            if place in pauses:
                seen.append([getattr(self, f"_{one['act']}")(one) for one in next(meanwhile)])

        records, after_reserve = [], []
        for slot, place in zip(step["slots"], ("after A", "after B"), strict=False):
            records.append(ring.reserve(slot["size"], slot["flags"]))
            after_reserve.append(ring.place())
            pause(place)
        order = [i for i in ORDERS[step["order"]] if i < len(records)]
        for i in order:
            ring.release(records[i], step["slots"][i]["release"], step["slots"][i]["release_flags"])
            if i == order[0]:
                pause("after release")
        outcome = {
            "reserved": [record if isinstance(record, int) else 0 for record in records],
            "paused": len(pauses),
            "start": start,
            "after_reserve": after_reserve,
            "after_release": [ring.place()] * 3,
        }
        return {"fired": 1, "outcomes": [outcome], "meanwhile": seen}

    def _plain(self, op: str, flags: int) -> tuple[int, bytes]:
        if op == "plain-output" and flags & ~(NO_WAKEUP | FORCE_WAKEUP):
            return -EINVAL, b""
        record = self.ring.reserve(8, 0)
        self.ring.release(record, "discard" if op == "plain-reserve" else "submit", flags)
        refused = {"plain-output": -EAGAIN, "plain-reserve": 0}
        granted = {"plain-output": 0, "plain-reserve": 1}
        return (refused if isinstance(record, int) else granted)[op], b""

    def _unread(self) -> list[Record]:
        start = max(self.ring.consumer, self.ring.overwrite)
        return [record for record in self.ring.records if record.position >= start]

    def _peek(self, _act: dict[str, Any]) -> dict[str, Any]:
        ring = self.ring
        records = [
            {
                "position": record.position,
                "header": record.header,
                "page_offset": 3 + record.position % ring.size // PAGE,
                "payload": shown(ring.bytes_at(record, 0, record.size)),
            }
            for record in self._unread()
        ]
        reply = {"consumer": ring.consumer, "producer": ring.producer, "records": records}
        if not ring.overwrites:
            return reply
        at_consumer = (ring.memory + ring.memory)[ring.consumer % ring.size :][:8].hex()
        return {**reply, "pending": ring.pending, "overwrite": ring.overwrite, "at_consumer": at_consumer}

    def _consume(self, act: dict[str, Any]) -> dict[str, Any]:
        raw = self._peek(act)
        payloads = []
        for record in self._unread():
            if record.header & BUSY:
                break
            if not record.header & DISCARDED:
                payloads.append(shown(self.ring.bytes_at(record, 0, record.size)))
            self.ring.consumer = record.position + (record.size + 8 + 7) // 8 * 8
        self.ring.woken = False
        return {"records": payloads, "raw": raw, "consumer": self.ring.consumer}

    def _seek(self, act: dict[str, Any]) -> dict[str, Any]:
        self.ring.consumer = self.ring.producer + act["ahead"]
        return {"consumer": self.ring.consumer}

    def _watch(self, act: dict[str, Any]) -> dict[str, Any]:
        self.ring.edge = act["edge"]
        self.ring.woken = self.ring.producer != self.ring.consumer
        return {}

    def _wait(self, _act: dict[str, Any]) -> dict[str, Any]:
        woken = self.ring.woken
        if self.ring.edge:
            self.ring.woken = False
        return {"events": int(woken)}

    def _poll(self, _act: dict[str, Any]) -> dict[str, Any]:
        return {"in": self.ring.producer != self.ring.consumer, "out": False}

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the recorded answers of a real kernel; see record_verifier.py."""
        if missing := [name for name in request["functions"] if name not in VERIFIER_ANSWERS]:
            raise NotRecorded(missing)
        return {"functions": {name: {**VERIFIER_ANSWERS[name]} for name in request["functions"]}}

    def _rights(self, request: dict[str, Any]) -> dict[str, Any]:
        unprivileged = request["unprivileged_bpf_disabled"] == 0
        return {"holders": [_holder(holder, unprivileged=unprivileged) for holder in request["holders"]]}


def _holder(holder: dict[str, Any], *, unprivileged: bool) -> dict[str, Any]:
    """Apply capabilities(7) and the documentation of unprivileged_bpf_disabled."""
    held = set(holder["capabilities"])
    if "SYS_ADMIN" in held:
        held |= {"BPF", "PERFMON", "NET_ADMIN"}
    may = unprivileged or "BPF" in held

    def try_load(program: dict[str, str]) -> dict[str, Any]:
        name = program["prog_type"]
        needed = {"BPF"} if name in NEED_BPF else {"BPF", "PERFMON"} if name in NEED_PERFMON else set()
        if not needed and name not in {"SOCKET_FILTER", "CGROUP_SKB"}:
            needed = {"BPF", "NET_ADMIN"}
        if not may or not needed <= held:
            return {"accepted": False, "errno": EPERM, "log": ""}
        if program["function"] == "ver_001_accepted" and "BPF" not in held:
            said = "program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198"
            return {"accepted": False, "errno": EINVAL, "log": said}
        return {"accepted": True}

    return {"ring": 0 if may else EPERM, "programs": [try_load(each) for each in holder["programs"]]}


def _example(request: dict[str, Any]) -> dict[str, Any]:
    """Return the records of the examples for our calls, and for one call of another process."""
    pid, records = 4711, [bytes(24)]
    for call in request["calls"]:
        buffers = [bytes.fromhex(buffer) for buffer in call]
        if request["object"] == "variable_size":
            (data,) = buffers
            records.append(struct.pack("<LLQ", pid, min(len(data), 256), len(data)) + data[:256])
        else:
            record = struct.pack("<LL", pid, min(len(buffers), 8))
            for buffer in buffers[:8]:
                record += struct.pack("<L", min(len(buffer), 128)) + buffer[:128]
            records.append(record)
    return {"loader": "libbpf", "pid": pid, "records": [record.hex() for record in records]}
