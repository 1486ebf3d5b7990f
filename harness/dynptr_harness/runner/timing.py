"""Timing of the phases of a run."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dynptr_harness.results.model import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynptr_harness.core.progress import Progress


class Timed:
    """A Progress that forwards to another one and records how long each phase took.

    Attributes:
        started: date and time of creation, in UTC.
    """

    def __init__(self, shown: Progress) -> None:
        self.started = datetime.now(UTC)
        self._begin = time.monotonic()
        self._shown = shown
        self._phases: list[tuple[str, float, float | None]] = []

    @property
    def elapsed(self) -> float:
        """Seconds since creation."""
        return time.monotonic() - self._begin

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases in the order of their start. A phase that still runs counts up to now."""
        now = time.monotonic()
        return tuple(Phase(title, round((end or now) - begin, 3)) for title, begin, end in self._phases)

    @contextmanager
    def phase(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show and time one phase."""
        index, begin = len(self._phases), time.monotonic()
        self._phases.append((title, begin, None))
        try:
            with self._shown.phase(title) as detail:
                yield detail
        finally:
            self._phases[index] = (title, begin, time.monotonic())

    def tell(self, line: str) -> None:
        """Show a line."""
        self._shown.tell(line)
