"""A consumer of ring buffers, through libbcc."""

from __future__ import annotations

import ctypes as ct
import os

from bcc.libbcc import _RINGBUF_CB_TYPE, lib

from dynptr_harness.guest.bpf.libbpf import last_errno


class Consumer:
    """Reads one ring buffer.

    BCC's Python methods drop the return value of the library: a failed poll would look like an empty ring.
    This class calls the library itself and raises its errors.
    """

    def __init__(self, ring: int) -> None:
        """Open the ring buffer with this descriptor."""
        self._records: list[bytes] = []
        self._callback = _RINGBUF_CB_TYPE(self._keep)  # the library keeps only its address
        self._manager: int | None = lib.bpf_new_ringbuf(ring, self._callback, None)
        if not self._manager:
            errno = last_errno()
            raise OSError(errno, f"opening the ring buffer: {os.strerror(errno)}")

    def _keep(self, _context: object, data: int, size: int) -> int:
        self._records.append(ct.string_at(data, size))
        return 0

    def close(self) -> None:
        """Close the ring buffer."""
        lib.bpf_free_ringbuf(self._manager)
        self._manager = None

    def poll(self, seconds: float) -> int:
        """Wait up to `seconds` for a wake-up, and read. Return the number of records."""
        return self._checked("poll", lib.bpf_poll_ringbuf(self._manager, int(seconds * 1000)))

    def take(self) -> list[bytes]:
        """Read without waiting for a wake-up. Return all records since the last call, in order."""
        self._checked("consume", lib.bpf_consume_ringbuf(self._manager))
        records, self._records = self._records, []
        return records

    @staticmethod
    def _checked(what: str, count: int) -> int:
        if count < 0:
            raise OSError(-count, f"{what} of the ring buffer: {os.strerror(-count)}")
        return count
