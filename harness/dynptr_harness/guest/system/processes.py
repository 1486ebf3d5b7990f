"""Child processes of an experiment."""

from __future__ import annotations

import os
import pickle
import signal
import traceback
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class Child:
    """A function that runs in a process of its own, until it returns, fails or is killed."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._code: int | None = None
        self._pid = os.fork()
        if not self._pid:
            _run_and_exit(function)

    def exit_code(self) -> int | None:
        """None while it lives; 0 when the function returned, -9 when it was killed.

        Raises:
            RuntimeError: the function failed; what it raised is on the console.
        """
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        if self._code not in {None, 0, -signal.SIGKILL}:
            raise RuntimeError(f"a child process ended with {self._code}; the console says more")
        return self._code

    def wait(self) -> None:
        """Wait until it has ended.

        Raises:
            RuntimeError: the function failed; what it raised is on the console.
        """
        if self._code is None:
            _, status = os.waitpid(self._pid, 0)
            self._code = os.waitstatus_to_exitcode(status)
        self.exit_code()

    def close(self) -> None:
        """Kill it if it still lives."""
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            _, status = os.waitpid(self._pid, 0)
            self._code = os.waitstatus_to_exitcode(status)


def shared_out(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """What a function makes of each item, worked out on all processors that we may use.

    Raises:
        RuntimeError: it failed in a child process; what it raised is on the console.
    """
    processes = min(len(os.sched_getaffinity(0)), len(items)) or 1
    with ExitStack() as stack:
        shares = [
            stack.enter_context(closing(_Share(function, items[first::processes])))
            for first in range(1, processes)
        ]
        results = [[function(item) for item in items[::processes]], *(share.results() for share in shares)]
    return [results[number % processes][number // processes] for number in range(len(items))]


class _Share(Generic[Item, Result]):
    """A child process that works on some of the items."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        reader, writer = os.pipe()
        self._reader = os.fdopen(reader, "rb")
        with os.fdopen(writer, "wb") as told:

            def work() -> None:
                pickle.dump([function(item) for item in items], told)
                told.flush()

            self._child = Child(work)

    def results(self) -> list[Result]:
        """Wait for what it makes of them."""
        said = self._reader.read()
        self._child.wait()
        results: list[Result] = pickle.loads(said)  # noqa: S301  (of our own making)
        return results

    def close(self) -> None:
        self._reader.close()
        self._child.close()


def _run_and_exit(function: Callable[[], None]) -> None:
    """Nothing of the parent's may run here afterwards: not its handlers, not its clean-up."""
    code = 1
    try:
        function()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
