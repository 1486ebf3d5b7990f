"""The control page: how the agent tells a program what to do and learns what it did.

The structures mirror bpf_src/include/dynptr_harness.h.
"""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.guest import bpf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc import BPF

MAX_STEPS = 5
MAX_PAYLOAD = 64

# What a field of an outcome holds until the program wrote it: no helper returns this.
UNSET = -(1 << 40)


class Step(ct.Structure):
    """struct step."""

    _fields_ = (
        ("size", ct.c_uint64),
        ("flags", ct.c_uint64),
        ("release_flags", ct.c_uint64),
        ("release", ct.c_uint32),
        ("payload_len", ct.c_uint32),
        ("payload", ct.c_uint8 * MAX_PAYLOAD),
    )

    @classmethod
    def from_request(cls, request: dict[str, Any]) -> Step:
        """A step as the host asks for it: size, flags, release ('submit' or 'discard'), payload in hex."""
        payload = bytes.fromhex(request["payload"])
        step = cls(
            size=request["size"],
            flags=request["flags"],
            release_flags=request["release_flags"],
            release={"submit": 0, "discard": 1}[request["release"]],
            payload_len=len(payload),
        )
        step.payload[: len(payload)] = payload
        return step


class Outcome(ct.Structure):
    """struct outcome."""

    _fields_ = (
        ("reserved", ct.c_int64),
        ("written", ct.c_int64),
        ("read", ct.c_int64),
        ("slice", ct.c_int64),
        ("producer_before", ct.c_int64),
        ("producer_reserved", ct.c_int64),
        ("producer_released", ct.c_int64),
        ("readback", ct.c_uint8 * MAX_PAYLOAD),
    )

    def reply(self, payload_len: int) -> dict[str, Any]:
        """The outcome for the host: what the program never wrote is None."""
        numbers = {name: getattr(self, name) for name, kind in self._fields_ if kind is ct.c_int64}
        seen = {name: None if number == UNSET else number for name, number in numbers.items()}
        return {**seen, "readback": bytes(self.readback[:payload_len]).hex()}


class _Page(ct.Structure):
    """struct control."""

    _fields_ = (
        ("armed", ct.c_uint32),
        ("tgid", ct.c_uint32),
        ("fired", ct.c_uint32),
        ("step_cnt", ct.c_uint32),
        ("words", ct.c_uint64 * 2),
        ("steps", Step * MAX_STEPS),
        ("outcomes", Outcome * MAX_STEPS),
    )


class Control:
    """The control page of a module."""

    def __init__(self, module: BPF) -> None:
        table = module["control"]
        if ct.sizeof(table.Leaf) != ct.sizeof(_Page):
            raise TypeError(
                f"struct control has {ct.sizeof(table.Leaf)} bytes in C and {ct.sizeof(_Page)} in Python"
            )
        self._fd: int = table.map_fd
        self._steps: list[dict[str, Any]] = []

    @contextmanager
    def armed(
        self, *, words: tuple[int, int] = (0, 0), steps: list[dict[str, Any]] | None = None
    ) -> Iterator[None]:
        """Within this context the next event of this process runs the attached program, once.

        The page is written unarmed first: the kernel copies it piece by piece, and an event that comes
        on its own time, such as a perf event, can hit in the middle.
        """
        self._steps = steps or []
        page = _Page(tgid=os.getpid(), step_cnt=len(self._steps))
        page.words[:] = words
        for i, step in enumerate(self._steps):
            page.steps[i] = Step.from_request(step)
        for outcome in page.outcomes:
            for name, kind in Outcome._fields_:
                if kind is ct.c_int64:
                    setattr(outcome, name, UNSET)
        bpf.map_write(self._fd, 0, page)
        page.armed = 1
        bpf.map_write(self._fd, 0, page)
        try:
            yield
        finally:
            page = self._page()
            page.armed = 0
            bpf.map_write(self._fd, 0, page)

    def fired(self) -> int:
        """How often the program ran since it was armed."""
        return int(self._page().fired)

    def outcomes(self) -> list[dict[str, Any]]:
        """What each step did."""
        page = self._page()
        return [
            page.outcomes[i].reply(len(bytes.fromhex(step["payload"]))) for i, step in enumerate(self._steps)
        ]

    def _page(self) -> _Page:
        page = _Page()
        bpf.map_read(self._fd, 0, page)
        return page
