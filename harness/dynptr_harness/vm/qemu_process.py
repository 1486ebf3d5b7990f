"""One QEMU process and its console: started in a session of its own, always reaped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.vm.console import Console


class QemuProcess:
    """A running QEMU.

    Attributes:
        console: what it says, followed until its end.
        ended: a task that is done when QEMU is gone and its console is read to the end; its result is
            QEMU's exit status, negative for a signal.
    """

    def __init__(self, process: asyncio.subprocess.Process, console: Console) -> None:
        self._process = process
        self.console = console
        self.ended = asyncio.create_task(self._end())

    @classmethod
    async def start(cls, argv: Sequence[str], console: Console, inherited: Sequence[int] = ()) -> QemuProcess:
        """Start QEMU with the file descriptors `inherited`; it dies with us, whatever ends us.

        Raises:
            EnvironmentFailed: the program cannot be started.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,  # QEMU's own words belong to the story of the console
                pass_fds=inherited,
                start_new_session=True,  # Ctrl-C in the terminal is ours; we end QEMU in order
            )
        except FileNotFoundError:
            raise EnvironmentFailed(f"{argv[0]} is not installed", "install util-linux") from None
        return cls(process, console)

    async def kill(self) -> None:
        """End QEMU now and wait until it is reaped. Does nothing when it has ended."""
        self.signal(signal.SIGKILL)
        await asyncio.wait({self.ended})
        self.ended.exception()  # seen: whoever waits for an answer raises it, others need not

    def signal(self, number: int) -> None:
        """Send a signal, if QEMU still lives.

        Not by asyncio's own send_signal: up to Python 3.11 that may reap the process behind the back of the
        child watcher, which then reports 255 in place of the real status.
        """
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._process.pid

    async def _end(self) -> int:
        assert self._process.stdout is not None  # noqa: S101  (asked for with PIPE)
        try:
            await self.console.follow(self._process.stdout)
        except OSError as error:
            self.signal(signal.SIGKILL)
            path = self.console.path
            raise EnvironmentFailed(
                f"cannot write {path}: {error.strerror}", "free some room there"
            ) from error
        finally:
            status = await self._process.wait()
        return status
