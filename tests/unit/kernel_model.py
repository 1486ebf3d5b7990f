"""A kernel that does everything right, for tests without a VM: it answers what the agent is asked.

Written from the helper's documentation (include/uapi/linux/bpf.h) and the layout of the ring buffer
(Documentation/bpf/ringbuf.rst), not from the harness's expectations: it models a ring with positions and
records and lets the reply follow.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

FACTS: dict[str, Any] = {"release": "7.3.4-model", "arch": "x86_64", "byteorder": "little"}

EBADF, EINVAL, E2BIG, EAGAIN = 9, 22, 7, 11
LEAK = "0: R1=ctx() R10=fp0\nUnreleased reference id=2 alloc_insn=5\nprocessed 9 insns (limit 1000000)\n"
TYPE_NUMBERS = {
    "CGROUP_SOCK": 9,
    "CGROUP_SOCK_ADDR": 18,
    "KPROBE": 2,
    "LSM": 29,
    "PERF_EVENT": 7,
    "RAW_TRACEPOINT": 17,
    "RAW_TRACEPOINT_WRITABLE": 24,
    "SK_MSG": 16,
    "SYSCALL": 31,
    "TRACEPOINT": 5,
    "TRACING": 26,
}


BUSY, DISCARDED = 1 << 31, 1 << 30
NO_WAKEUP, FORCE_WAKEUP = 1, 2
ORDERS = {
    "ABC": (0, 1, 2),
    "ACB": (0, 2, 1),
    "BAC": (1, 0, 2),
    "BCA": (1, 2, 0),
    "CAB": (2, 0, 1),
    "CBA": (2, 1, 0),
}


@dataclass
class Record:
    """A reservation: where it is, how long, and its header."""

    position: int
    size: int
    header: int


@dataclass
class Ring:
    """A ring buffer: bytes that stay where they are, positions that only grow, and who is waiting."""

    size: int
    consumer: int = 0
    producer: int = 0
    records: list[Record] = field(default_factory=list)
    edge: bool | None = None  # of the epoll instance that watches, None without
    woken: bool = False

    def __post_init__(self) -> None:
        self.memory = bytearray(self.size)

    def reserve(self, size: int, flags: int) -> Record | int:
        size %= 1 << 32
        if flags:
            return -EINVAL
        if size >= 1 << 24:
            return -E2BIG
        taken = (size + 8 + 7) & ~7
        if not 0 <= self.producer + taken - self.consumer < self.size:  # one byte is never in use
            return -EINVAL
        record = Record(self.producer, size, BUSY | size)
        self.records.append(record)
        self.producer += taken
        return record

    def release(self, record: Record | int, how: str, flags: int) -> None:
        if isinstance(record, int):
            return
        record.header = record.size | (DISCARDED if how == "discard" else 0)
        if flags & FORCE_WAKEUP or (not flags & NO_WAKEUP and record.position == self.consumer):
            self.woken = self.edge is not None

    def bytes_at(self, record: Record, offset: int, length: int) -> bytes:
        start = (record.position + 8 + offset) % self.size
        whole = self.memory[start : start + length]
        return bytes(whole + self.memory[: length - len(whole)])

    def put(self, record: Record, offset: int, octets: bytes) -> None:
        for i, octet in enumerate(octets):
            self.memory[(record.position + 8 + offset + i) % self.size] = octet

    def query(self, what: int) -> int:
        return {0: self.producer - self.consumer, 1: self.size, 2: self.consumer, 3: self.producer}.get(
            what, 0
        )

    def place(self) -> dict[str, int]:
        return {"available": self.query(0), "consumer": self.consumer, "producer": self.producer}


def told(payload: bytes) -> str:
    """How the agent tells a payload."""
    return payload.hex() if len(payload) <= 256 else f"{len(payload)} bytes, sha256 of the model"


class KernelModel:
    """Answers requests as the agent in a faultless kernel would."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        answers = {"phases": self._phases, "script": self._script, "load": self._load}
        return answers[request["kind"]](request)

    def _phases(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["prog_type"]
        record = struct.pack("<IIQQ", TYPE_NUMBERS[name], 1, *request["words"])

        def phase(*, attached: bool) -> dict[str, Any]:
            events: dict[str, Any] = {
                "RAW_TRACEPOINT_WRITABLE": {"test_run": -86 if attached else 0},
                "SK_MSG": {"received": "message"},
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
        self.ring = Ring(request["ring_size"])
        return {"loader": "bcc", "acts": [getattr(self, f"_{act['act']}")(act) for act in request["acts"]]}

    def _ring(self, act: dict[str, Any]) -> dict[str, Any]:
        self.ring = Ring(act["size"])
        return {}

    def _event(self, act: dict[str, Any]) -> dict[str, Any]:
        fill = self._fill(act["fill"]) if "fill" in act else {"granted": 0, "error": 0}
        return {"fired": 1, "fill": fill, "outcomes": [self._step(step) for step in act["steps"]]}

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
        answers = [self._access(records[access["slot"]], access, payload) for access in step["accesses"]]
        for i in ORDERS[step["order"]]:
            if i < len(records):
                slot = step["slots"][i]
                ring.release(records[i], slot["release"], slot["release_flags"])
            after_release.append(ring.place())
        return {
            "reserved": [record if isinstance(record, int) else 0 for record in records],
            "accessed": [result for result, _ in answers],
            "start": start,
            "after_reserve": after_reserve,
            "after_release": after_release,
            "data": [data.ljust(64, b"\0").hex() for _, data in answers],
        }

    def _access(self, record: Record | int, access: dict[str, Any], payload: bytes) -> tuple[int, bytes]:
        op, offset, length, flags = access["op"], access["offset"], access["len"], access["flags"]
        if op == "query":
            return self.ring.query(flags), b""
        if op in {"plain-output", "plain-reserve"}:
            return self._plain(op, flags)
        slicing = op.startswith("slice")
        if isinstance(record, int):
            return (0 if slicing else -EINVAL), b""
        beyond = length > record.size or offset > record.size - length
        if flags and (op == "read" or not beyond):
            return -EINVAL, b""
        if beyond:
            return (0 if slicing else -E2BIG), b""
        if op in {"write", "slice-write"}:
            self.ring.put(record, offset, payload[access["source"] :][:length])
        return int(slicing), self.ring.bytes_at(record, offset, length) if op == "read" else b""

    def _plain(self, op: str, flags: int) -> tuple[int, bytes]:
        if op == "plain-output" and flags & ~(NO_WAKEUP | FORCE_WAKEUP):
            return -EINVAL, b""
        record = self.ring.reserve(8, 0)
        self.ring.release(record, "discard" if op == "plain-reserve" else "submit", flags)
        refused = {"plain-output": -EAGAIN, "plain-reserve": 0}
        granted = {"plain-output": 0, "plain-reserve": 1}
        return (refused if isinstance(record, int) else granted)[op], b""

    def _unread(self) -> list[Record]:
        return [record for record in self.ring.records if record.position >= self.ring.consumer]

    def _peek(self, _act: dict[str, Any]) -> dict[str, Any]:
        ring = self.ring
        records = [
            {
                "position": record.position,
                "header": record.header,
                "page_offset": 3,
                "payload": told(ring.bytes_at(record, 0, record.size)),
            }
            for record in self._unread()
        ]
        return {"consumer": ring.consumer, "producer": ring.producer, "records": records}

    def _consume(self, act: dict[str, Any]) -> dict[str, Any]:
        raw = self._peek(act)
        payloads = [record["payload"] for record in raw["records"] if not record["header"] & DISCARDED]
        self.ring.consumer = self.ring.producer
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
        def try_load(function: str) -> dict[str, Any]:
            if function.endswith("_accepted"):
                return {"accepted": True}
            return {"accepted": False, "errno": EINVAL, "log": LEAK}

        return {
            "loader": "bcc",
            "functions": {function: try_load(function) for function in request["functions"]},
        }
