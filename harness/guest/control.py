"""The control page: how the agent tells a program what to do and learns what it did.

The structures mirror bpf_src/include/dynptr_harness.h.
"""

from __future__ import annotations

import ctypes as ct
import marshal
import mmap
import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from harness.guest import bpf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc import BPF

_Structure = TypeVar("_Structure", ct.Structure, ct.Union)

PLAIN = 2  # version of the marshal format: equal data is equal bytes, whoever else refers to it

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
        """A reservation as the host asks for it: size, flags, release, release_flags."""
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
        """An access as the host asks for it: op, slot, source, len, offset, flags."""
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
        """A step as the host asks for it: slots, accesses, order, payload in hex, perhaps pauses."""
        payload = bytes.fromhex(request["payload"])
        step = cls(order=ORDERS.index(request["order"]), access_cnt=len(request["accesses"]))
        step.pauses = sum(1 << PAUSES.index(place) for place in request.get("pauses", ()))
        wanted = request["slots"] + [UNWANTED] * (MAX_SLOTS - len(request["slots"]))
        step.slots[:] = [Reservation.of(slot) for slot in wanted]
        for i, access in enumerate(request["accesses"]):
            step.accesses[i] = Access.of(access)
        step.payload[: len(payload)] = payload
        return step


class _Position(ct.Structure):
    """struct position."""

    _fields_ = (("available", ct.c_int64), ("consumer", ct.c_int64), ("producer", ct.c_int64))


class _Outcome(ct.Structure):
    """struct outcome."""

    _fields_ = (
        ("reserved", ct.c_int64 * MAX_SLOTS),
        ("accessed", ct.c_int64 * MAX_ACCESSES),
        ("cloned", ct.c_int64),
        ("paused", ct.c_int64),
        ("start", _Position),
        ("after_reserve", _Position * MAX_SLOTS),
        ("after_release", _Position * MAX_SLOTS),
        ("data", (ct.c_uint8 * MAX_PAYLOAD) * MAX_ACCESSES),
    )

    @classmethod
    def unset(cls) -> _Outcome:
        """An outcome of which the program wrote nothing yet."""
        outcome = cls()
        outcome._numbers[:] = [UNSET] * _NUMBERS
        return outcome

    @property
    def _numbers(self) -> ct.Array[ct.c_int64]:
        """All that is before `data`."""
        return (ct.c_int64 * _NUMBERS).from_buffer(self)

    def reply(self, step: dict[str, Any]) -> dict[str, Any]:
        """The outcome for the host: what the program never wrote is None.

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


_NUMBERS = _Outcome.data.offset // ct.sizeof(ct.c_int64)
_LENGTH = ct.sizeof(_Position) // ct.sizeof(ct.c_int64)
_START = _Outcome.start.offset // ct.sizeof(ct.c_int64)


class Fill(ct.Structure):
    """struct fill."""

    _fields_ = (
        ("each", Reservation),
        ("cnt", ct.c_uint64),
        ("granted", ct.c_uint64),
        ("error", ct.c_int64),
    )


class _Halves(ct.Structure):
    """struct trigger."""

    _fields_ = (("armed", ct.c_uint32), ("tgid", ct.c_uint32))


class _Trigger(ct.Union):
    """The same, and as the one number that is stored at once."""

    _fields_ = (("halves", _Halves), ("both", ct.c_uint64))


class _Page(ct.Structure):
    """struct control."""

    _fields_ = (
        ("fired", ct.c_uint32),
        ("has_step", ct.c_uint32),
        ("words", ct.c_uint64 * 2),
        ("fill", Fill),
        ("step", Step),
        ("outcome", _Outcome),
    )

    @classmethod
    @cache
    def of(cls, wanted: bytes) -> bytes:
        """The page for one event: `fill` and `step` as asked for, marshalled.

        The same few hundred are asked in each program type.
        """
        fill, step = marshal.loads(wanted)  # noqa: S302  (of our own making)
        page = cls(outcome=_Outcome.unset())
        if fill:
            page.fill = Fill(each=Reservation.of(fill["each"]), cnt=fill["cnt"])
        if step:
            page.has_step = 1
            page.step = Step.of(step)
        return bytes(page)


class Control:
    """The control page of a module, and its trigger: both are in our memory, and need no system call."""

    def __init__(self, module: BPF) -> None:
        self._page = _mapped(module, "control", _Page)
        self._address = ct.addressof(self._page)
        self._trigger = _mapped(module, "trigger", _Trigger)
        self._armed = _Trigger(_Halves(armed=1, tgid=os.getpid())).both

    def arm(
        self,
        *,
        words: tuple[int, int] = (0, 0),
        fill: dict[str, Any] | None = None,
        step: dict[str, Any] | None = None,
    ) -> None:
        """The next event of this process runs the attached program, once, until `disarm`."""
        page = _Page.of(marshal.dumps((fill, step), PLAIN))
        ct.memmove(self._address, page, ct.sizeof(_Page))
        if any(words):
            self._page.words[:] = words
        self._trigger.both = self._armed

    def disarm(self) -> None:
        """No event runs the attached program."""
        self._trigger.both = 0

    @contextmanager
    def armed(self, **wanted: Any) -> Iterator[None]:
        """Armed within this context; `wanted` as for `arm`."""
        self.arm(**wanted)
        try:
            yield
        finally:
            self.disarm()

    def ran(self) -> bool:
        """Whether the program ran since it was armed."""
        return not self._trigger.halves.armed

    def fired(self) -> int:
        """How often the program ran since it was armed."""
        return int(self._page.fired)

    def reply(self, step: dict[str, Any] | None) -> dict[str, Any]:
        """What the program did, in an event with this step or without one."""
        page = self._page
        return {
            "fired": page.fired,
            "fill": {"granted": page.fill.granted, "error": page.fill.error},
            "outcomes": [page.outcome.reply(step)] if step else [],
        }


def _mapped(module: BPF, name: str, structure: type[_Structure]) -> _Structure:
    """The one structure that an array has, where a program finds it."""
    table = module[name]
    size = bpf.map_info(table.map_fd).value_size
    if size != ct.sizeof(structure):
        raise TypeError(f"struct {name} has {size} bytes in C and {ct.sizeof(structure)} in Python")
    return structure.from_buffer(mmap.mmap(table.map_fd, mmap.PAGESIZE))
