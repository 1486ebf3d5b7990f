"""A reader of the kernel log, /dev/kmsg. Its format: Documentation/ABI/testing/dev-kmsg."""

from __future__ import annotations

import os

DEVICE = "/dev/kmsg"
MAX_RECORD = 8192


class KmsgReader:
    """Reads the messages that the kernel logs after this object was created.

    Raises:
        OSError: the device cannot be opened.
    """

    def __init__(self) -> None:
        self._fd = os.open(DEVICE, os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)

    def read(self) -> list[str]:
        """Return the messages since the last call, without waiting.

        '' stands for messages that the kernel overwrote before they were read.
        """
        messages = []
        while (record := self._next_record()) is not None:
            # PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT, then lines with properties
            messages.append(record.decode(errors="replace").partition(";")[2].partition("\n")[0])
        return messages

    def _next_record(self) -> bytes | None:
        try:
            return os.read(self._fd, MAX_RECORD)
        except BlockingIOError:
            return None
        except BrokenPipeError:
            return b""

    def close(self) -> None:
        """Close the device."""
        os.close(self._fd)
