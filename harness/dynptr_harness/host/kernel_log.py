"""The log of the running kernel, from now on."""

from __future__ import annotations

import os
from pathlib import Path

from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.kernel_log import SPLAT

DEVICE = Path("/dev/kmsg")  # Documentation/ABI/testing/dev-kmsg: a record each time it is read
LONGEST_RECORD = 8192


class KernelLog:
    """Reads what the kernel says.

    Attributes:
        splats: every line so far in which it complained about itself.
    """

    def __init__(self) -> None:
        try:
            self._device = os.fdopen(os.open(DEVICE, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
        except OSError as error:
            raise EnvironmentFailed(
                f"cannot read the kernel's log {DEVICE}: {error.strerror}",
                "run as root; a container has to be given the device",
            ) from error
        self._device.seek(0, os.SEEK_END)
        self.splats: list[str] = []

    def read(self) -> list[str]:
        """What was said since this was called before. What the kernel said is there at once."""
        said = []
        while (record := self._next()) is not None:
            # PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT, then lines of properties
            said.append(record.decode(errors="replace").partition(";")[2].partition("\n")[0])
        self.splats += [line for line in said if SPLAT.match(line)]
        return said

    def _next(self) -> bytes | None:
        if self._device.closed:
            return None
        try:
            return self._device.read(LONGEST_RECORD)
        except BrokenPipeError:  # what was not read in time was overwritten
            return b""

    def close(self) -> None:
        """Read no more."""
        self._device.close()
