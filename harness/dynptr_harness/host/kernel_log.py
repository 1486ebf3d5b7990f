"""The log of the running kernel."""

from __future__ import annotations

from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.kernel_log import SPLAT
from dynptr_harness.protocol.kmsg import DEVICE, KmsgReader


class KernelLog:
    """Collects what the kernel logs after this object was created.

    Attributes:
        splats: the lines of all WARN, BUG and stall messages so far.
    """

    def __init__(self) -> None:
        try:
            self._reader: KmsgReader | None = KmsgReader()
        except OSError as error:
            raise EnvironmentFailed(
                f"cannot read the kernel log {DEVICE}: {error.strerror}",
                "run as root; a container needs access to the device",
            ) from error
        self.splats: list[str] = []

    def read(self) -> list[str]:
        """Return the messages since the last call; none after `close`."""
        messages = self._reader.read() if self._reader else []
        self.splats += [line for line in messages if SPLAT.match(line)]
        return messages

    def close(self) -> None:
        """Stop reading."""
        if self._reader:
            self._reader.close()
            self._reader = None
