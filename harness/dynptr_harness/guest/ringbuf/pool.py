"""The ring that programs find: in a map with room for one, of which there is one for each kind of rings."""

from __future__ import annotations

import os
from contextlib import ExitStack

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.ringbuf.view import RingView
from dynptr_harness.protocol.uapi import BPF_F_RB_OVERWRITE


class Rings:
    """Makes the rings of scripts, and hands one on from script to script as long as it is as good as new.

    A new ring costs a script a third of its time. One that was only used as it is meant to be, and has been
    read to its end, differs from a new one in where its positions are and in the old bytes behind them.

    Args:
        plain: the map that takes rings without flags.
    """

    def __init__(self, plain: int) -> None:
        self._maps = {0: plain}
        self._ring = ExitStack()
        self._view: RingView | None = None
        self._made_as = (0, 0)
        self._kept = False

    def map_of(self, flags: int) -> int:
        """The map of rings with these flags: the kernel puts no other rings into it.

        Raises:
            RingRefused: the kernel has no such ring.
        """
        if flags not in self._maps:
            self._maps[flags] = libbpf.array_of_rings(flags)
        return self._maps[flags]

    def new(self, size: int, flags: int = 0) -> RingView:
        """A new ring of `size` bytes takes the place of the one so far. Raises as `map_of`."""
        self.close()
        ring = libbpf.new_ring(size, flags)
        self._ring.callback(os.close, ring)
        view = RingView(ring, size, overwrites=bool(flags & BPF_F_RB_OVERWRITE))
        self._ring.callback(view.close)
        libbpf.map_write_fd(self.map_of(flags), 0, ring)
        self._view, self._made_as = view, (size, flags)
        return view

    def as_good_as_new(self, size: int, flags: int = 0) -> RingView:
        """The one so far where it was kept, is like that and can be settled, else a new one."""
        if self._kept and self._view and self._made_as == (size, flags) and self._view.settled():
            self._kept = False
            return self._view
        return self.new(size, flags)

    def keep(self) -> None:
        """The ring is fit for another script; else the next one gets a new ring."""
        self._kept = True

    def close(self) -> None:
        """Let go of the ring."""
        self._kept, self._view = False, None
        self._ring.close()
