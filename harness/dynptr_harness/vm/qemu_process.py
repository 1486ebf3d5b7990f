"""A QEMU process and its console. It runs in a new session and is always reaped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from dynptr_harness.core import shortage
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.vm.console import Console


class QemuProcess:
    """A running QEMU.

    Attributes:
        console: the console, read until QEMU ends.
        ended: a task that is done when QEMU has ended and its console is read. Its result is the exit status
            of QEMU, negative for a signal.
    """

    def __init__(self, process: asyncio.subprocess.Process, console: Console) -> None:
        self._process = process
        self.console = console
        self.ended = asyncio.create_task(self._end())

    @classmethod
    async def start(cls, argv: Sequence[str], console: Console, inherited: Sequence[int] = ()) -> QemuProcess:
        """Start QEMU with inherited file descriptors.

        Raises:
            EnvironmentFailed: the program cannot be started.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,  # the console file also gets QEMU's messages
                pass_fds=inherited,
                start_new_session=True,  # Ctrl-C must not reach QEMU
            )
        except FileNotFoundError:
            raise EnvironmentFailed(f"{argv[0]} is not installed", "install util-linux") from None
        except OSError as error:
            if shortage.is_shortage(error):
                raise shortage.failure(error, "QEMU cannot be started") from error
            raise
        return cls(process, console)

    async def kill(self) -> None:
        """Kill QEMU and wait until it is reaped. Do nothing if it has ended."""
        self.signal(signal.SIGKILL)
        await asyncio.wait({self.ended})
        self.ended.exception()  # mark the exception as retrieved: waiters for an answer raise it

    def signal(self, number: int) -> None:
        """Send a signal to QEMU if it is running.

        asyncio's send_signal may reap the process before the child watcher does (up to Python 3.11). The
        watcher then reports 255 instead of the real status.
        """
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    @property
    def pid(self) -> int:
        """The process ID of QEMU."""
        return self._process.pid

    async def _end(self) -> int:
        assert self._process.stdout is not None  # noqa: S101  (PIPE)
        try:
            await self.console.follow(self._process.stdout)
        except OSError as error:
            self.signal(signal.SIGKILL)
            path = self.console.path
            raise EnvironmentFailed(
                f"cannot write {path}: {error.strerror}", "free some space there"
            ) from error
        finally:
            status = await self._process.wait()
        return status
