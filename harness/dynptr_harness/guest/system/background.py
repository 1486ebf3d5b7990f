"""Work that is done while this thread does something else, such as wait for clang."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Background(Generic[Result]):
    """A function in a thread of its own."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # handed on to whoever waits
            self._error = error

    def wait(self) -> Result:
        """Wait until it has returned: what it returned; raises what it raised."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._results[0]
