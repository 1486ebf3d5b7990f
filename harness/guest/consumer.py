"""The consumer: polls the ring buffer through BCC and keeps what arrives."""

from __future__ import annotations

import ctypes as ct
import os
from typing import TYPE_CHECKING

from bcc.libbcc import lib

if TYPE_CHECKING:
    from bcc import BPF


class Consumer:
    """Reads the ring buffer `events` of a module.

    BCC's `ring_buffer_poll` and `ring_buffer_consume` throw away what the library returns, so that a
    failing poll would look like a silent ring: the library is called beneath them, and its error raised.
    """

    def __init__(self, module: BPF) -> None:
        self._records: list[bytes] = []
        module["events"].open_ring_buffer(self._keep)
        self._manager: int = module._ringbuf_manager

    def _keep(self, _context: object, data: int, size: int) -> int:
        self._records.append(ct.string_at(data, size))
        return 0

    def poll(self, seconds: float) -> int:
        """Wait until the kernel says that there is data, at most `seconds`; the number of records read."""
        return self._checked("poll", lib.bpf_poll_ringbuf(self._manager, int(seconds * 1000)))

    def take(self) -> list[bytes]:
        """All records that are there now, in order, without waiting for a wake-up."""
        self._checked("consume", lib.bpf_consume_ringbuf(self._manager))
        records, self._records = self._records, []
        return records

    @staticmethod
    def _checked(what: str, count: int) -> int:
        if count < 0:
            raise OSError(-count, f"{what} of the ring buffer: {os.strerror(-count)}")
        return count
