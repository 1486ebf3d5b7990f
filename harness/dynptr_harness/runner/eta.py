"""An estimate of the time that a run still takes."""

from __future__ import annotations

import time

FEWEST = 5  # results before the first estimate


class Estimate:
    """Estimates the time left from the results so far. The time begins with the first call of `left`."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._begin: float | None = None
        self._before = 0

    def left(self, done: int) -> str:
        """Return a text such as ', about 40 s left', or '' while there are too few results."""
        if self._begin is None:
            self._begin, self._before = time.monotonic(), done
        done_since = done - self._before
        if done_since < FEWEST:
            return ""
        seconds = (time.monotonic() - self._begin) / done_since * (self._total - done)
        return f", about {f'{seconds / 60:.0f} min' if seconds >= 100 else f'{seconds:.0f} s'} left"
