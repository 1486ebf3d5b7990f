"""Work that is done while this thread does something else, such as wait for clang."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Background(Thread):
    """A function in a thread of its own, which `wait` waits for."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # handed on to whoever waits
            self._error = error

    def wait(self) -> None:
        """Wait until it has returned; raises what it raised."""
        self.join()
        if self._error:
            raise self._error
