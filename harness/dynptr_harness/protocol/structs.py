"""What the agent and a program tell each other, as C has it; the host writes and reads it, too.

The structures mirror bpf_src/include/dynptr_harness.h. Nothing here needs BCC or a guest.
"""

from __future__ import annotations

import ctypes as ct
from typing import Any

MAX_SLOTS = 3
MAX_ACCESSES = 6
MAX_PAYLOAD = 64
MAX_FILL = 64

# What a field of an outcome holds until the program wrote it, as in C: no helper returns this.
UNSET = -(1 << 40)

RELEASES = ("submit", "discard")  # enum release
ORDERS = ("ABC", "ACB", "BAC", "BCA", "CAB", "CBA", "DBC")  # of struct step
PAUSES = ("after A", "after B", "after release")  # enum pause
OPS = (  # enum op, from 1
    *("write", "read", "slice", "slice-write", "query", "plain-output", "plain-reserve"),
    *("size", "is-null", "is-rdonly", "adjust", "kfunc-slice", "buffer-slice", "copy", "memset"),
    *("probe-read", "is-null-word", "rdwr-slice"),
)

# A reservation that is not wanted: no dynptr can be that large, so that it fails and changes nothing.
UNWANTED = {"size": 0xFFFFFFFF, "flags": 0, "release": "submit", "release_flags": 0}


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
        """A reservation as it is asked for: size, flags, release, release_flags."""
        return cls(**{**request, "release": RELEASES.index(request["release"])})


class Access(ct.Structure):
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
    def of(cls, request: dict[str, Any]) -> Access:
        """An access as it is asked for: op, slot, source, len, offset, flags."""
        return cls(**{**request, "op": OPS.index(request["op"]) + 1})


class Step(ct.Structure):
    """struct step."""

    _fields_ = (
        ("slots", Reservation * MAX_SLOTS),
        ("order", ct.c_uint32),
        ("access_cnt", ct.c_uint32),
        ("pauses", ct.c_uint64),
        ("accesses", Access * MAX_ACCESSES),
        ("payload", ct.c_uint8 * MAX_PAYLOAD),
    )

    @classmethod
    def of(cls, request: dict[str, Any]) -> Step:
        """A step as it is asked for: slots, accesses, order, payload in hex, perhaps pauses."""
        payload = bytes.fromhex(request["payload"])
        step = cls(order=ORDERS.index(request["order"]), access_cnt=len(request["accesses"]))
        step.pauses = sum(1 << PAUSES.index(place) for place in request.get("pauses", ()))
        wanted = request["slots"] + [UNWANTED] * (MAX_SLOTS - len(request["slots"]))
        step.slots[:] = [Reservation.of(slot) for slot in wanted]
        for i, access in enumerate(request["accesses"]):
            step.accesses[i] = Access.of(access)
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
        """An outcome of which the program wrote nothing yet."""
        outcome = cls()
        outcome._numbers[:] = [UNSET] * _NUMBERS
        return outcome

    @classmethod
    def of(cls, told: str) -> Outcome:
        """The outcome that a program left, in hex; what is missing of `data` is zero.

        Raises:
            ValueError: that is no outcome.
        """
        octets = bytes.fromhex(told)
        if not cls.data.offset <= len(octets) <= ct.sizeof(cls):
            raise ValueError(f"an outcome of {len(octets)} bytes")
        return cls.from_buffer_copy(octets.ljust(ct.sizeof(cls), b"\0"))

    @property
    def _numbers(self) -> ct.Array[ct.c_int64]:
        """All that is before `data`."""
        return (ct.c_int64 * _NUMBERS).from_buffer(self)

    def reply(self, step: dict[str, Any]) -> dict[str, Any]:
        """The outcome of this step as it is judged: what the program never wrote is None.

        Positions are lists of three numbers, in the order of struct position.
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


class Fill(ct.Structure):
    """struct fill."""

    _fields_ = (
        ("each", Reservation),
        ("cnt", ct.c_uint64),
        ("granted", ct.c_uint64),
        ("error", ct.c_int64),
    )
