"""The terminal of whoever called us, lent to a guest: raw meanwhile, and as it was afterwards in any case."""

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
    """Raw within its context: each key goes to the guest as it is, Ctrl-C among them.

    Raises:
        WrongUsage: standard input or output is no terminal.
    """

    def __init__(self) -> None:
        for name, stream in {"standard input": sys.stdin, "standard output": sys.stdout}.items():
            if not stream.isatty():
                raise WrongUsage(
                    f"a shell needs a terminal, and {name} is none",
                    "use `dynptr-harness exec` for commands without one",
                )

    def described(self) -> dict[str, Any]:
        """What the guest must know of it."""
        rows, columns = self.size()
        return {"rows": rows, "columns": columns, "term": os.environ.get("TERM", "dumb")}

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
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
