"""The guest's console: a file, its last lines, and its panics and splats."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_log import PANIC, SPLAT, without_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import FileIO
    from pathlib import Path

TAIL_LINES = 120  # enough for an oops and its panic, each with registers and a call trace
# A kernel may log without end. What exceeds these limits is not kept.
LONGEST_FILE = 64 << 20  # bytes
LONGEST_LINE = 64 << 10  # bytes; a longer line is cut into several
LONGEST_EXTRACT = 256 << 10  # bytes of the console in a result
MOST_SPLATS = 1000
CUT = b"\n--- the rest of the console is not kept ---\n"
LEFT_OUT = b"\n--- left out ---\n"

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


class Console:
    """The output of the guest's first serial port and of QEMU itself.

    Args:
        path: file to write.
        earlier: console of the saved machine, for a restored one.
        on_line: called with each later line, or None.

    Attributes:
        path: file with the whole output.
        size: bytes in the file so far.
        panic: message of the kernel's panic, or None.
        splats: first lines of WARN, BUG and stall messages.
        notes: lines of our boot scripts, which begin with 'dynptr-harness: '.
        panicked: set together with `panic`.
    """

    def __init__(
        self, path: Path, earlier: bytes = b"", *, on_line: Callable[[str], None] | None = None
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.size = 0
        self.panic: str | None = None
        self.splats: list[str] = []
        self.notes: list[str] = []
        self.panicked = asyncio.Event()
        self._last: deque[str] = deque(maxlen=TAIL_LINES)
        self._earlier = earlier
        self._on_line = on_line
        self._live = not earlier

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Read the stream until it ends."""
        rest = b""
        with self.path.open("wb", buffering=0) as file:
            chunk = self._earlier or await stream.read(1 << 16)
            while chunk:
                self._write(file, chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    self._take(line)
                self._live = True
                chunk = await stream.read(1 << 16)
        if rest:
            self._take(rest)

    def _write(self, file: FileIO, chunk: bytes) -> None:
        room = LONGEST_FILE - self.size
        if room <= 0:
            return
        if len(chunk) >= room:
            chunk = chunk[:room] + CUT
        file.write(chunk)
        self.size += len(chunk)

    def keep(self, name: str, text: str) -> None:
        """Write text to a file beside the console."""
        self.path.with_name(name).write_text(text)

    def since(self, position: int) -> str:
        """Return the output after the first `position` bytes, without escape sequences.

        Of a long output this is the beginning and the end.
        """
        half = LONGEST_EXTRACT // 2
        with self.path.open("rb") as file:
            file.seek(position)
            output = file.read(half)
            if self.size - position > LONGEST_EXTRACT:
                file.seek(-half, os.SEEK_END)
                output += LEFT_OUT
            output += file.read()
        return ESCAPE.sub("", output.decode(errors="replace"))

    def tail(self) -> str:
        """Return the last lines, without escape sequences."""
        return "\n".join(self._last)

    def _take(self, raw: bytes) -> None:
        line = ESCAPE.sub("", raw.decode(errors="replace"))
        self._last.append(line)
        if self._on_line and self._live:
            self._on_line(line)
        text = without_timestamp(line)
        if found := PANIC.search(line):  # not match: the line may begin with the output of a program
            self.panic = self.panic or found.group(1)
            self.panicked.set()
        elif SPLAT.match(text):
            if len(self.splats) < MOST_SPLATS:
                self.splats.append(text)
        elif text.startswith("dynptr-harness: "):
            self.notes.append(text.removeprefix("dynptr-harness: "))
