"""A kernel that does everything right, for tests without a VM: it answers what the agent is asked.

Written from the helper's documentation (include/uapi/linux/bpf.h) and the layout of the ring buffer
(Documentation/bpf/ringbuf.rst), not from the harness's expectations: it models a ring with positions and
records and lets the reply follow.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

FACTS: dict[str, Any] = {"release": "6.12.1-model", "arch": "x86_64", "byteorder": "little"}

EBADF, EINVAL, E2BIG = 9, 22, 7
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


@dataclass
class Ring:
    """A new ring buffer of which nothing was consumed."""

    size: int
    producer: int = 0
    records: list[bytes] = field(default_factory=list)

    def reserve(self, size: int, flags: int) -> int:
        if flags:
            return -EINVAL
        if size >= 1 << 24:
            return -E2BIG
        taken = (size + 8 + 7) & ~7
        if self.producer + taken >= self.size:  # one byte less than the ring can be in use
            return -EINVAL
        self.producer += taken
        return 0


class KernelModel:
    """Answers requests as the agent in a faultless kernel would."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        answers = {"phases": self._phases, "steps": self._steps, "load": self._load}
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

    def _steps(self, request: dict[str, Any]) -> dict[str, Any]:
        ring = Ring(request["ring_size"])
        outcomes = [self._step(ring, step) for step in request["steps"]]
        records = [record.hex() for record in ring.records]
        return {"loader": "bcc", "fired": 1, "outcomes": outcomes, "records": records}

    def _step(self, ring: Ring, step: dict[str, Any]) -> dict[str, Any]:
        before = ring.producer
        reserved = ring.reserve(step["size"], step["flags"])
        payload = bytes.fromhex(step["payload"])
        if reserved == 0 and step["release"] == "submit":
            ring.records.append(payload)
        access = 0 if reserved == 0 else -EINVAL
        return {
            "reserved": reserved,
            "written": access,
            "read": access,
            "slice": 1 if reserved == 0 else 0,
            "producer_before": before,
            "producer_reserved": ring.producer,
            "producer_released": ring.producer,
            "readback": payload.hex() if reserved == 0 else "00" * len(payload),
        }

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        def try_load(function: str) -> dict[str, Any]:
            if function.endswith("_accepted"):
                return {"accepted": True, "loader": "bcc"}
            return {"accepted": False, "errno": EINVAL, "log": LEAK}

        return {"functions": {function: try_load(function) for function in request["functions"]}}
