"""The guest's console: kept whole in a file, its last lines and its alarms at hand."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_log import PANIC, SPLAT, without_timestamp

if TYPE_CHECKING:
    from pathlib import Path

TAIL_LINES = 120  # an oops and the panic that follows, each with registers and a call trace

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\r")


class Console:
    """What the guest says on its first serial port, and QEMU on its own behalf.

    Args:
        path: where it is kept.
        earlier: what the guest said before it was saved, for one that goes on from a snapshot.

    Attributes:
        path: file with every byte.
        size: bytes in it so far.
        panic: what the kernel said when it gave up, else None.
        splats: every line in which the kernel complained about itself.
        notes: what our own boot scripts said (lines that begin with 'dynptr-harness: ').
        panicked: set as soon as `panic` is.
    """

    def __init__(self, path: Path, earlier: bytes = b"") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.size = 0
        self.panic: str | None = None
        self.splats: list[str] = []
        self.notes: list[str] = []
        self.panicked = asyncio.Event()
        self._last: deque[str] = deque(maxlen=TAIL_LINES)
        self._earlier = earlier

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Read `stream` to its end."""
        rest = b""
        with self.path.open("wb", buffering=0) as file:
            chunk = self._earlier or await stream.read(1 << 16)
            while chunk:
                file.write(chunk)
                self.size += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._take(line)
                chunk = await stream.read(1 << 16)
        if rest:
            self._take(rest)

    def keep(self, name: str, text: str) -> None:
        """Write `text` to a file beside the console's."""
        self.path.with_name(name).write_text(text)

    def since(self, position: int) -> str:
        """What was said after the first `position` bytes, without escape sequences."""
        with self.path.open("rb") as file:
            file.seek(position)
            return ESCAPE.sub("", file.read().decode(errors="replace"))

    def tail(self) -> str:
        """The last lines, without escape sequences."""
        return "\n".join(self._last)

    def _take(self, raw: bytes) -> None:
        line = ESCAPE.sub("", raw.decode(errors="replace"))
        self._last.append(line)
        text = without_timestamp(line)
        if found := PANIC.search(line):  # not match: a program may have left a line half written
            self.panic = self.panic or found.group(1)
            self.panicked.set()
        elif SPLAT.match(text):
            self.splats.append(text)
        elif text.startswith("dynptr-harness: "):
            self.notes.append(text.removeprefix("dynptr-harness: "))
