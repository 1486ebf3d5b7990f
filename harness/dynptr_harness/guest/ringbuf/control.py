"""The control page: how the agent tells a program what to do and learns what it did."""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.protocol.structs import MAX_PAYLOAD, Fill, Outcome, Reservation, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc import BPF


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
        ("outcome", Outcome),
    )


class Control:
    """The control page of a module, and its trigger: both are in our memory, and need no system call."""

    def __init__(self, module: BPF) -> None:
        self._page = _mapped(module, "control", _Page)
        self._address = ct.addressof(self._page)
        self._blank = bytes(_Page(outcome=Outcome.unset()))
        self._trigger = _mapped(module, "trigger", _Trigger)
        self._armed = _Trigger(_Halves(armed=1, tgid=os.getpid())).both

    def arm(
        self,
        *,
        words: tuple[int, int] = (0, 0),
        fill: dict[str, Any] | None = None,
        step: str | None = None,
    ) -> None:
        """The next event of this process runs the attached program, once, until `disarm`.

        Args:
            words: for the example's record.
            fill: as stage.py has it.
            step: struct step, in hex.
        """
        ct.memmove(self._address, self._blank, len(self._blank))
        if fill:
            self._page.fill = Fill(each=Reservation.of(fill["each"]), cnt=fill["cnt"])
        if step:
            self._page.has_step = 1
            self._page.step = Step.from_buffer_copy(bytes.fromhex(step))
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

    def filled(self) -> dict[str, int]:
        """How many of the reservations of `fill` were granted, and the error of the first that was not."""
        fill = self._page.fill
        return {"granted": fill.granted, "error": fill.error}

    def paused(self) -> int:
        """How many pauses of the step user space ended in time."""
        return int(self._page.outcome.paused)

    def outcome(self) -> str:
        """What the program did in the step: struct outcome in hex, up to the data of the last access."""
        size = Outcome.data.offset + self._page.step.access_cnt * MAX_PAYLOAD
        return ct.string_at(self._address + _Page.outcome.offset, size).hex()


def _mapped(module: BPF, name: str, structure: type[libbpf.Structure]) -> libbpf.Structure:
    """The one structure that an array has, where a program finds it."""
    table = module[name]
    size = libbpf.map_info(table.map_fd).value_size
    if size != ct.sizeof(structure):
        raise TypeError(f"struct {name} has {size} bytes in C and {ct.sizeof(structure)} in Python")
    return libbpf.in_memory(table.map_fd, structure)
