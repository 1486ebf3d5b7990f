"""Where a program waits for user space while it holds reservations: see bpf_src/elf/held_steps.bpf.c."""

from __future__ import annotations

import ctypes as ct
import time

from dynptr_harness.guest.bpf import libbpf

LOOK_AGAIN_S = 0.0005  # a program cannot wake anyone while it spins
OVER = (1 << 64) - 1


class _Page(ct.Structure):
    """struct pauses."""

    _fields_ = (("reached", ct.c_uint64), ("resumed", ct.c_uint64), ("limit", ct.c_uint64))


class Pauses:
    """The map `pauses` of the program, and this side of it; shared with child processes."""

    def __init__(self) -> None:
        self.map_fd = libbpf.mapped_array(ct.sizeof(_Page))
        self._page = libbpf.in_memory(self.map_fd, _Page)

    def begin(self) -> None:
        """Make ready for an event."""
        self._page.reached = self._page.resumed = 0

    def end(self) -> None:
        """The event is over: whoever still waits for a pause waits in vain."""
        self._page.resumed = OVER

    def wait_for(self, number: int) -> bool:
        """Wait until the program is in the pause of this number, counted from 1; False if it never will."""
        while self._page.reached < number:
            if self._page.resumed == OVER:
                return False
            time.sleep(LOOK_AGAIN_S)
        return True

    def resume(self, number: int) -> None:
        """Let the program go on from this pause."""
        self._page.resumed = number
