"""The control page: how the agent tells a program what to do and learns what it did.

The structures mirror bpf_src/include/dynptr_harness.h.
"""

from __future__ import annotations

import ctypes as ct
import marshal
import os
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from harness.guest import bpf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc import BPF

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


class Position(ct.Structure):
    """struct position."""

    _fields_ = (("available", ct.c_int64), ("consumer", ct.c_int64), ("producer", ct.c_int64))

    def reply(self) -> dict[str, int | None]:
        """The position for the host."""
        return {name: _seen(getattr(self, name)) for name, _ in self._fields_}


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
        ct.memset(ct.byref(outcome), 0, ct.sizeof(cls))
        numbers = (cls.data.offset // ct.sizeof(ct.c_int64)) * ct.c_int64
        numbers.from_buffer(outcome)[:] = [UNSET] * (cls.data.offset // ct.sizeof(ct.c_int64))
        return outcome

    def reply(self, step: dict[str, Any]) -> dict[str, Any]:
        """The outcome for the host: what the program never wrote is None."""
        slots, accesses = range(len(step["slots"])), range(len(step["accesses"]))
        return {
            "reserved": [_seen(self.reserved[i]) for i in slots],
            "accessed": [_seen(self.accessed[i]) for i in accesses],
            "cloned": _seen(self.cloned),
            "paused": _seen(self.paused),
            "start": self.start.reply(),
            "after_reserve": [self.after_reserve[i].reply() for i in slots],
            "after_release": [position.reply() for position in self.after_release],
            "data": [bytes(self.data[i]).hex() for i in accesses],
        }


def _seen(number: int) -> int | None:
    return None if number == UNSET else number


class Fill(ct.Structure):
    """struct fill."""

    _fields_ = (
        ("each", Reservation),
        ("cnt", ct.c_uint64),
        ("granted", ct.c_uint64),
        ("error", ct.c_int64),
    )


class _Trigger(ct.Structure):
    """struct trigger."""

    _fields_ = (("armed", ct.c_uint32), ("tgid", ct.c_uint32))


class _Page(ct.Structure):
    """struct control."""

    _fields_ = (
        ("fired", ct.c_uint32),
        ("has_step", ct.c_uint32),
        ("words", ct.c_uint64 * 2),
        ("fill", Fill),
        ("step", Step),
        ("outcome", Outcome),
    )

    @classmethod
    @cache
    def of(cls, wanted: bytes) -> _Page:
        """The page for one event, never to be changed: `fill` and `step` as asked for, marshalled.

        The same few hundred are asked in each program type.
        """
        fill, step = marshal.loads(wanted)  # noqa: S302  (of our own making)
        page = cls(outcome=Outcome.unset())
        if fill:
            page.fill = Fill(each=Reservation.of(fill["each"]), cnt=fill["cnt"])
        if step:
            page.has_step = 1
            page.step = Step.of(step)
        return page


class Control:
    """The control page of a module, and its trigger."""

    def __init__(self, module: BPF) -> None:
        self._page_fd = _table(module, "control", _Page)
        self._trigger_fd = _table(module, "trigger", _Trigger)

    @contextmanager
    def armed(
        self,
        *,
        words: tuple[int, int] = (0, 0),
        fill: dict[str, Any] | None = None,
        step: dict[str, Any] | None = None,
    ) -> Iterator[None]:
        """Within this context the next event of this process runs the attached program, once."""
        page = _Page.of(marshal.dumps((fill, step), PLAIN))
        if any(words):
            page = _Page(words=words)
        bpf.map_write(self._page_fd, 0, page)
        bpf.map_write(self._trigger_fd, 0, _Trigger(armed=1, tgid=os.getpid()))
        try:
            yield
        finally:
            bpf.map_write(self._trigger_fd, 0, _Trigger())

    def ran(self) -> bool:
        """Whether the program ran since it was armed."""
        trigger = _Trigger()
        bpf.map_read(self._trigger_fd, 0, trigger)
        return not trigger.armed

    def fired(self) -> int:
        """How often the program ran since it was armed."""
        return int(self._page().fired)

    def reply(self, step: dict[str, Any] | None) -> dict[str, Any]:
        """What the program did, in an event with this step or without one."""
        page = self._page()
        return {
            "fired": page.fired,
            "fill": {"granted": page.fill.granted, "error": page.fill.error},
            "outcomes": [page.outcome.reply(step)] if step else [],
        }

    def _page(self) -> _Page:
        page = _Page()
        bpf.map_read(self._page_fd, 0, page)
        return page


def _table(module: BPF, name: str, structure: type[ct.Structure]) -> int:
    """The descriptor of an array of one such structure."""
    table = module[name]
    size = bpf.map_info(table.map_fd).value_size
    if size != ct.sizeof(structure):
        raise TypeError(f"struct {name} has {size} bytes in C and {ct.sizeof(structure)} in Python")
    descriptor: int = table.map_fd
    return descriptor
