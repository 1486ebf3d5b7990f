"""Progress on standard error: live lines on a terminal, otherwise plain lines with times."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import Progress as LiveBars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from dynptr_harness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from dynptr_harness.core.progress import Progress

_PLAIN_INTERVAL = 5.0  # seconds between lines of detail that cannot overwrite each other


def for_console(console: Console) -> Progress:
    """Return live progress for a terminal, otherwise plain progress."""
    return Live(console) if console.file.isatty() and not console.is_dumb_terminal else Plain(console)


class Live:
    """Shows a live line for each running phase, and leaves a line for each ended one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = LiveBars(
            SpinnerColumn("line"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            transient=True,
        )

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show one phase. Phases can be nested."""
        if not self._bars.tasks:
            self._bars.start()
        task, begin = self._bars.add_task(escape(title), total=None, detail=""), time.monotonic()
        ended = "[red]failed[/]"
        try:
            yield lambda line: self._bars.update(task, detail=escape(_one_line(line)))
            ended = "[green]done[/]"
        finally:
            self._bars.remove_task(task)
            if not self._bars.tasks:
                self._bars.stop()
            self._console.print(f"{escape(title)}: {ended} [dim]({time.monotonic() - begin:.1f} s)[/]")

    def tell(self, line: str) -> None:
        """Show a line above the running phases."""
        self._console.print(_one_line(line), style="red", markup=False, soft_wrap=True)


class Plain:
    """Prints a line when a phase starts, every few seconds while it runs, and when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show one phase. Phases can be nested."""
        begin = shown = time.monotonic()
        self._line(title)

        def detail(line: str) -> None:
            nonlocal shown
            if time.monotonic() - shown >= _PLAIN_INTERVAL:
                shown = time.monotonic()
                self._line(f"{title}: {_one_line(line)}")

        ended = "failed"
        try:
            yield detail
            ended = "done"
        finally:
            self._line(f"{title}: {ended} ({time.monotonic() - begin:.1f} s)")

    def tell(self, line: str) -> None:
        """Show a line."""
        self._line(_one_line(line))

    def _line(self, text: str) -> None:
        elapsed = time.monotonic() - self._begin
        self._console.print(f"[{elapsed:6.1f} s] {text}", markup=False, highlight=False, soft_wrap=True)


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
