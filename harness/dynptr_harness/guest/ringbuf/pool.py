"""A pool of ring buffers. Programs reach the current ring through a map-in-map with one slot."""

from __future__ import annotations

import os
from contextlib import ExitStack

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.ringbuf.view import RingView
from dynptr_harness.protocol.uapi import BPF_F_RB_OVERWRITE


class RingPool:
    """Creates the rings of scripts, and reuses a ring if the previous script left it clean.

    A new ring takes a third of the time of a script. A reused ring differs from a new one in its positions
    and in the bytes of old records.

    Args:
        plain: descriptor of the map-in-map for rings without flags.
    """

    def __init__(self, plain: int) -> None:
        self._maps = {0: plain}  # by the flags of the ring
        self._ring = ExitStack()
        self._view: RingView | None = None
        self._size_and_flags = (0, 0)
        self._reusable = False

    def map_of(self, flags: int) -> int:
        """Return the map-in-map for rings with these flags. It accepts no other rings.

        Raises:
            RingRefused: the kernel does not create rings with these flags.
        """
        if flags not in self._maps:
            self._maps[flags] = libbpf.array_of_rings(flags)
        return self._maps[flags]

    def new(self, size: int, flags: int = 0) -> RingView:
        """Create a ring of `size` bytes and make it the current one. Raises the errors of `map_of`."""
        self.close()
        ring = libbpf.new_ring(size, flags)
        self._ring.callback(os.close, ring)
        view = RingView(ring, size, overwrites=bool(flags & BPF_F_RB_OVERWRITE))
        self._ring.callback(view.close)
        libbpf.map_write_fd(self.map_of(flags), 0, ring)
        self._view, self._size_and_flags = view, (size, flags)
        return view

    def reused_or_new(self, size: int, flags: int = 0) -> RingView:
        """Return the current ring if it is kept, has this size and these flags, and has no busy record.

        Otherwise, create one. Raises the errors of `map_of`.
        """
        if self._reusable and self._view and self._size_and_flags == (size, flags) and self._view.reset():
            self._reusable = False
            return self._view
        return self.new(size, flags)

    def keep(self) -> None:
        """Let the next script reuse the ring."""
        self._reusable = True

    def close(self) -> None:
        """Close the current ring."""
        self._reusable, self._view = False, None
        self._ring.close()
