"""A watch on the kernel log, so that each kernel message can be assigned to one request."""

from __future__ import annotations

from dynptr_harness.protocol.kmsg import KmsgReader


class LogWatch:
    """Detects new kernel messages."""

    def __init__(self) -> None:
        try:
            self._reader: KmsgReader | None = KmsgReader()
        except OSError:  # for example in a container without the device
            self._reader = None

    def kernel_logged(self) -> bool:
        """Return True if the kernel logged anything since the last call, or if the log cannot be read."""
        return self._reader is None or bool(self._reader.read())
