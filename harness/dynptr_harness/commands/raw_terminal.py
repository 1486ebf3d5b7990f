"""Put the terminal into raw mode for a shell in a guest, and restore it afterwards."""

from __future__ import annotations

import os
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from types import TracebackType

STDIN = 0


class Terminal:
    """Context manager for raw mode: every key goes to the guest, even Ctrl-C.

    Args:
        needed_by: for the message of the error.
        hint: the way without a terminal.

    Raises:
        WrongUsage: standard input or output is not a terminal.
    """

    def __init__(
        self,
        needed_by: str = "a shell",
        hint: str = "use `dynptr-harness exec` to run commands without a terminal",
    ) -> None:
        for name, stream in {"standard input": sys.stdin, "standard output": sys.stdout}.items():
            if not stream.isatty():
                raise WrongUsage(f"{needed_by} needs a terminal, and {name} is not one", hint)

    def described(self) -> dict[str, Any]:
        """Return size and type for the agent's request."""
        rows, columns = self.size()
        return {"rows": rows, "columns": columns, "term": os.environ.get("TERM", "dumb")}

    def size(self) -> tuple[int, int]:
        """Return (rows, columns)."""
        columns, rows = os.get_terminal_size(STDIN)
        return rows, columns

    def __enter__(self) -> Terminal:
        self._before = termios.tcgetattr(STDIN)
        tty.setraw(STDIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(STDIN, termios.TCSAFLUSH, self._before)
