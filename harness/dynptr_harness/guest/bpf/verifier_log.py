"""Buffers for verifier logs of any length.

If the log does not fit into the buffer, the load fails with ENOSPC in place of its real errno. The buffer
then has the beginning of the log; since Linux 6.4 it has the end.
"""

from __future__ import annotations

import ctypes as ct
import mmap
import re

KEPT = 1 << 20  # bytes of the log for the host
# Bytes. Nearly all logs fit into the first buffer. A log of a million instructions, the verifier's limit,
# fits into the second.
SIZE, LARGE_SIZE = 1 << 20, 1 << 28
# log_level. With 0, the loaders request a log only after the first attempt failed.
ON_FAILURE, ALWAYS, STATISTICS = 0, 1, 4
# The last line of a log (print_verification_stats in kernel/bpf/verifier.c).
_LAST_LINE = re.compile(rb"processed \d+ insns .*\n\Z")

_libc = ct.CDLL(None)
_libc.strlen.restype = ct.c_size_t
_libc.strlen.argtypes = [ct.c_void_p]


class VerifierLog:
    """A buffer for the verifier log of one load.

    Attributes:
        size: size in bytes. Pages beyond the log stay unused.
        pointer: address of the buffer.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._address = ct.addressof(ct.c_char.from_buffer(self._memory))
        self.pointer = ct.cast(self._address, ct.c_char_p)

    def clear(self) -> None:
        """Empty the buffer: set its first byte to 0."""
        self._memory[0] = 0

    @property
    def is_full(self) -> bool:
        """True if the log did not fit."""
        return self._length >= self.size - 1

    @property
    def has_end(self) -> bool:
        """True if the end of the log is in the buffer."""
        length = self._length
        end = ct.string_at(self._address + max(length - 256, 0), min(length, 256))
        return bool(_LAST_LINE.search(end))

    @property
    def text(self) -> str:
        """The log. If it is long, its last KEPT bytes, after a line with the number of bytes left out."""
        length = self._length
        left_out = max(length - KEPT, 0)
        text = ct.string_at(self._address + left_out, length - left_out).decode(errors="replace")
        if not left_out:
            return text
        return f"[{left_out} bytes left out]\n{text.partition(chr(10))[2]}"

    @property
    def _length(self) -> int:
        return int(_libc.strlen(self._address))
