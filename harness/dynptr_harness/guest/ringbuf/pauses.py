"""The pauses of a program that holds reservations: bpf_src/elf/held_steps.bpf.c."""

from __future__ import annotations

import ctypes as ct
import time

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.protocol import structs

POLL_INTERVAL_S = 0.0005  # a program that spins cannot wake a process
ENDED = (1 << 64) - 1


class PauseMap:
    """User space's side of the map `pauses`. Child processes share it."""

    def __init__(self) -> None:
        self.map_fd = libbpf.mapped_array(ct.sizeof(structs.Pauses))
        self._page = libbpf.in_memory(self.map_fd, structs.Pauses)

    def begin(self) -> None:
        """Prepare for an event."""
        self._page.reached = self._page.resumed = 0

    def end(self) -> None:
        """End the event: `wait_for` returns False from now on."""
        self._page.resumed = ENDED

    def wait_for(self, number: int) -> bool:
        """Wait until the program is in this pause, counted from 1. Return False if the event ends first."""
        while self._page.reached < number:
            if self._page.resumed == ENDED:
                return False
            time.sleep(POLL_INTERVAL_S)
        return True

    def resume(self, number: int) -> None:
        """End this pause of the program."""
        self._page.resumed = number
