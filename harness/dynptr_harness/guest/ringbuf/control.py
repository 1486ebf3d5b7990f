"""The control page and the trigger: shared memory through which the agent controls a BPF program."""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.protocol import structs
from dynptr_harness.protocol.structs import MAX_PAYLOAD, FillStruct, Outcome, Reservation, StepStruct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc import BPF


class _Trigger(ct.Union):
    """struct trigger, and the same as one number, which one store writes."""

    _fields_ = (("fields", structs.Trigger), ("word", ct.c_uint64))


class ControlPage:
    """The control page and the trigger of a BCC module. Both are mapped: an access needs no system call."""

    def __init__(self, module: BPF) -> None:
        self._page = _mapped(module, "control", structs.Control)
        self._address = ct.addressof(self._page)
        self._initial = bytes(structs.Control(outcome=Outcome.unset()))
        self._trigger = _mapped(module, "trigger", _Trigger)
        self._armed = _Trigger(structs.Trigger(armed=1, tgid=os.getpid())).word

    def arm(
        self,
        *,
        words: tuple[int, int] = (0, 0),
        fill: dict[str, Any] | None = None,
        step: str | None = None,
    ) -> None:
        """Let the next event of this process run the attached program once.

        Args:
            words: payload of the example's record.
            fill: `cnt` times the reservation `each`, before the step.
            step: struct step in hex.
        """
        ct.memmove(self._address, self._initial, len(self._initial))
        if fill:
            self._page.fill = FillStruct(each=Reservation.of(fill["each"]), cnt=fill["cnt"])
        if step:
            self._page.has_step = 1
            self._page.step = StepStruct.from_buffer_copy(bytes.fromhex(step))
        if any(words):
            self._page.words[:] = words
        self._trigger.word = self._armed

    def disarm(self) -> None:
        """Let no event run the attached program."""
        self._trigger.word = 0

    @contextmanager
    def armed(self, **wanted: Any) -> Iterator[None]:
        """Arm the program within this context. The arguments are those of `arm`."""
        self.arm(**wanted)
        try:
            yield
        finally:
            self.disarm()

    def ran(self) -> bool:
        """Return True if the program ran since it was armed."""
        return not self._trigger.fields.armed

    def fired(self) -> int:
        """Return how often the program ran since it was armed."""
        return int(self._page.fired)

    def filled(self) -> dict[str, int]:
        """Return the number of successful reservations of `fill`, and the error of the first failed one."""
        fill = self._page.fill
        return {"granted": fill.granted, "error": fill.error}

    def paused(self) -> int:
        """Return the number of pauses of the step that user space ended before their limit."""
        return int(self._page.outcome.paused)

    def outcome(self) -> str:
        """Return struct outcome of the step in hex, without the data of unused accesses."""
        size = Outcome.data.offset + self._page.step.access_cnt * MAX_PAYLOAD
        return ct.string_at(self._address + structs.Control.outcome.offset, size).hex()


def _mapped(module: BPF, name: str, structure: type[libbpf.Structure]) -> libbpf.Structure:
    """Map the only element of an array.

    Raises:
        TypeError: the element does not have the size of the structure.
    """
    table = module[name]
    size = libbpf.map_info(table.map_fd).value_size
    if size != ct.sizeof(structure):
        raise TypeError(f"struct {name} has {size} bytes in C and {ct.sizeof(structure)} in Python")
    return libbpf.in_memory(table.map_fd, structure)
