"""Whether the kernel has said anything: then the host has to hear it before more is asked."""

from __future__ import annotations

import os

DEVICE = "/dev/kmsg"  # Documentation/ABI/testing/dev-kmsg: a record each time it is read
LONGEST_RECORD = 8192


class KernelLog:
    """The log of this kernel, from now on."""

    def __init__(self) -> None:
        try:
            self._device: int | None = os.open(DEVICE, os.O_RDONLY | os.O_NONBLOCK)
            os.lseek(self._device, 0, os.SEEK_END)
        except OSError:  # such as in a container that was not given the device
            self._device = None

    def kernel_logged(self) -> bool:
        """Whether the kernel said anything since this was asked before; True where that cannot be known."""
        if self._device is None:
            return True
        kernel_logged = False
        while True:
            try:
                os.read(self._device, LONGEST_RECORD)
            except BlockingIOError:
                return kernel_logged
            except BrokenPipeError:  # what was not read in time was overwritten
                pass
            kernel_logged = True
