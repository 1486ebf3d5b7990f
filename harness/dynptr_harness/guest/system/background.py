"""A function that runs in a thread, so that Python can import modules while clang compiles."""

# Not concurrent.futures: it takes 4 ms to import here, so ~80 ms in an emulated guest before clang starts.

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Background(Generic[Result]):
    """Starts the function in a thread."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._function())
        except BaseException as error:  # `wait` raises it
            self._error = error

    def wait(self) -> Result:
        """Wait for the function, and return its result or raise its exception."""
        self._thread.join()
        if self._error:
            raise self._error
        return self._results[0]
