"""Child processes of an experiment."""

from __future__ import annotations

import os
import signal
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
