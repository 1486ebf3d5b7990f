"""Child processes of the agent, made by fork(2).

Not concurrent.futures: it takes 8 ms to import here, so ~160 ms in an emulated guest, and its processes do
not take closures.
"""

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
    """Runs a function in a child process."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._code: int | None = None
        self._pid = os.fork()
        if not self._pid:
            _run_and_exit(function)

    def exit_code(self) -> int | None:
        """Return None while the child runs, 0 if the function returned, -9 if SIGKILL ended it.

        Raises:
            RuntimeError: the function failed. Its traceback is on the console.
        """
        if self._code is None:
            self._reap(os.WNOHANG)
        if self._code not in {None, 0, -signal.SIGKILL}:
            raise RuntimeError(f"a child process ended with {self._code}; its traceback is on the console")
        return self._code

    def wait(self) -> None:
        """Wait for the child to end. Raises the errors of `exit_code`."""
        if self._code is None:
            self._reap()
        self.exit_code()

    def close(self) -> None:
        """Kill the child if it still runs."""
        if self._code is None:
            os.kill(self._pid, signal.SIGKILL)
            self._reap()

    def _reap(self, options: int = 0) -> None:
        pid, status = os.waitpid(self._pid, options)
        if pid:
            self._code = os.waitstatus_to_exitcode(status)


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the function's result for each item. Use one process for each CPU of this thread.

    Raises:
        RuntimeError: the function failed in a child process. Its traceback is on the console.
    """
    processes = min(len(os.sched_getaffinity(0)), len(items)) or 1
    with ExitStack() as stack:
        workers = [
            stack.enter_context(closing(_Worker(function, items[first::processes])))
            for first in range(1, processes)
        ]
        results = [
            [function(item) for item in items[::processes]],
            *(worker.results() for worker in workers),
        ]
    return [results[number % processes][number // processes] for number in range(len(items))]


class _Worker(Generic[Item, Result]):
    """A child process that works on some of the items and sends the results through a pipe."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item]) -> None:
        reader, writer = os.pipe()
        self._pipe = os.fdopen(reader, "rb")
        with os.fdopen(writer, "wb") as pipe:

            def work() -> None:
                pickle.dump([function(item) for item in items], pipe)
                pipe.flush()

            self._child = Child(work)

    def results(self) -> list[Result]:
        pickled = self._pipe.read()
        self._child.wait()
        results: list[Result] = pickle.loads(pickled)  # noqa: S301  (from our own child)
        return results

    def close(self) -> None:
        self._pipe.close()
        self._child.close()


def _run_and_exit(function: Callable[[], None]) -> None:
    """Run the function and exit without the parent's handlers and clean-up."""
    code = 1
    try:
        function()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
