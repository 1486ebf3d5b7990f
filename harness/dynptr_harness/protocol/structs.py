"""The C structures that the agent and a BPF program share.

The host reads and writes steps and outcomes too. Each structure mirrors the one of its name in
bpf_src/include/dynptr_harness.h. tests/unit/protocol/test_c_header.py compares them.
"""

from __future__ import annotations

import ctypes as ct
from typing import Any

MAX_SLOTS = 3
MAX_ACCESSES = 6
MAX_PAYLOAD = 64
MAX_FILL = 64

# The value of a number in an outcome until the program writes it. No helper returns it.
UNSET = -(1 << 40)

# The constants of the C enums, by their value.
RELEASES = ("submit", "discard")  # enum release
ORDERS = ("ABC", "ACB", "BAC", "BCA", "CAB", "CBA", "DBC")  # enum order, prefix ORDER_
PAUSES = ("after A", "after B", "after release")  # enum pause: 1 << index
OPS = (  # enum op: index + 1
    *("write", "read", "slice", "slice-write", "query", "plain-output", "plain-reserve"),
    *("size", "is-null", "is-rdonly", "adjust", "kfunc-slice", "buffer-slice", "copy", "memset"),
    *("probe-read", "is-null-word", "rdwr-slice"),
)

# Fills an unused slot. It exceeds the maximum size of a dynptr, so it fails and does not change the ring.
UNUSED_SLOT = {"size": 0xFFFFFFFF, "flags": 0, "release": "submit", "release_flags": 0}


class Reservation(ct.Structure):
    """struct reservation."""

    _fields_ = (
        ("size", ct.c_uint64),
        ("flags", ct.c_uint64),
        ("release", ct.c_uint64),
        ("release_flags", ct.c_uint64),
    )

    @classmethod
    def of(cls, request: dict[str, Any]) -> Reservation:
        """Convert a request with the fields as keys. `release` is a name from RELEASES."""
        return cls(**{**request, "release": RELEASES.index(request["release"])})


class AccessStruct(ct.Structure):
    """struct access."""

    _fields_ = (
        ("op", ct.c_uint32),
        ("slot", ct.c_uint16),
        ("source", ct.c_uint16),
        ("len", ct.c_uint64),
        ("offset", ct.c_uint64),
        ("flags", ct.c_uint64),
    )

    @classmethod
    def of(cls, request: dict[str, Any]) -> AccessStruct:
        """Convert a request with the fields as keys. `op` is a name from OPS."""
        return cls(**{**request, "op": OPS.index(request["op"]) + 1})


class StepStruct(ct.Structure):
    """struct step."""

    _fields_ = (
        ("slots", Reservation * MAX_SLOTS),
        ("order", ct.c_uint32),
        ("access_cnt", ct.c_uint32),
        ("pauses", ct.c_uint64),
        ("accesses", AccessStruct * MAX_ACCESSES),
        ("payload", ct.c_uint8 * MAX_PAYLOAD),
    )

    @classmethod
    def of(cls, request: dict[str, Any]) -> StepStruct:
        """Convert a request with the keys slots, accesses, order, payload (hex) and, optionally, pauses."""
        payload = bytes.fromhex(request["payload"])
        step = cls(order=ORDERS.index(request["order"]), access_cnt=len(request["accesses"]))
        step.pauses = sum(1 << PAUSES.index(pause) for pause in request.get("pauses", ()))
        slots = request["slots"] + [UNUSED_SLOT] * (MAX_SLOTS - len(request["slots"]))
        step.slots[:] = [Reservation.of(slot) for slot in slots]
        for i, access in enumerate(request["accesses"]):
            step.accesses[i] = AccessStruct.of(access)
        step.payload[: len(payload)] = payload
        return step


class Position(ct.Structure):
    """struct position."""

    _fields_ = (("available", ct.c_int64), ("consumer", ct.c_int64), ("producer", ct.c_int64))


class Outcome(ct.Structure):
    """struct outcome."""

    _fields_ = (
        ("reserved", ct.c_int64 * MAX_SLOTS),
        ("accessed", ct.c_int64 * MAX_ACCESSES),
        ("cloned", ct.c_int64),
        ("paused", ct.c_int64),
        ("start", Position),
        ("after_reserve", Position * MAX_SLOTS),
        ("after_release", Position * MAX_SLOTS),
        ("data", (ct.c_uint8 * MAX_PAYLOAD) * MAX_ACCESSES),
    )

    @classmethod
    def unset(cls) -> Outcome:
        """Return an outcome with UNSET in every number."""
        outcome = cls()
        outcome._numbers[:] = [UNSET] * _NUMBERS
        return outcome

    @classmethod
    def of(cls, text: str) -> Outcome:
        """Parse an outcome in hex. The end of `data` may be missing: it becomes zeros.

        Raises:
            ValueError: the text is not hex or has the wrong length.
        """
        octets = bytes.fromhex(text)
        if not cls.data.offset <= len(octets) <= ct.sizeof(cls):
            raise ValueError(f"an outcome of {len(octets)} bytes")
        return cls.from_buffer_copy(octets.ljust(ct.sizeof(cls), b"\0"))

    @property
    def _numbers(self) -> ct.Array[ct.c_int64]:
        """Every field before `data`."""
        return (ct.c_int64 * _NUMBERS).from_buffer(self)

    def reply(self, step: dict[str, Any]) -> dict[str, Any]:
        """Return the outcome of a step for the judge.

        It has the slots and accesses of the step only. A number that the program did not write is None. A
        position is a list of three numbers, in the order of struct position. `data` is in hex.
        """
        slots, accesses = len(step["slots"]), len(step["accesses"])
        numbers = [None if number == UNSET else number for number in self._numbers]
        start, *after = (numbers[i : i + _LENGTH] for i in range(_START, _NUMBERS, _LENGTH))
        data = self.data
        return {
            "reserved": numbers[:slots],
            "accessed": numbers[MAX_SLOTS : MAX_SLOTS + accesses],
            "cloned": numbers[_START - 2],
            "paused": numbers[_START - 1],
            "start": start,
            "after_reserve": after[:slots],
            "after_release": after[MAX_SLOTS:],
            "data": [bytes(data[i]).hex() for i in range(accesses)],
        }


_NUMBERS = Outcome.data.offset // ct.sizeof(ct.c_int64)
_LENGTH = ct.sizeof(Position) // ct.sizeof(ct.c_int64)
_START = Outcome.start.offset // ct.sizeof(ct.c_int64)


class FillStruct(ct.Structure):
    """struct fill."""

    _fields_ = (
        ("each", Reservation),
        ("cnt", ct.c_uint64),
        ("granted", ct.c_uint64),
        ("error", ct.c_int64),
    )


class Trigger(ct.Structure):
    """struct trigger."""

    _fields_ = (("armed", ct.c_uint32), ("tgid", ct.c_uint32))


class Control(ct.Structure):
    """struct control."""

    _fields_ = (
        ("fired", ct.c_uint32),
        ("has_step", ct.c_uint32),
        ("words", ct.c_uint64 * 2),
        ("fill", FillStruct),
        ("step", StepStruct),
        ("outcome", Outcome),
    )


class Pauses(ct.Structure):
    """struct pauses."""

    _fields_ = (("reached", ct.c_uint64), ("resumed", ct.c_uint64), ("limit", ct.c_uint64))
