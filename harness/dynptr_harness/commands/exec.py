"""Run commands and shells in a guest: forward standard input and output, and return the exit status."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from concurrent.futures import CancelledError
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any

from dynptr_harness.commands.raw_terminal import STDIN, Terminal
from dynptr_harness.core import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.vm.machine import Machine

# The agent sends a heartbeat every two seconds. It can be late on a busy host without KVM.
SILENCE_S = 30.0
CHUNK = 1 << 16
DESCRIPTORS = {"stdout": 1, "stderr": 2}
LEAVE = b"\x1d"  # Ctrl-], as in telnet and virsh: leaves a guest that does not react to keys


async def run(machine: Machine, argv: Sequence[str]) -> int:
    """Run a command on our standard input, output and error, and return its exit status.

    Raises:
        MachineFailed: the machine ended before the command did.
    """
    return await _ForwardedCommand(machine).run({"kind": "exec", "argv": list(argv)})


async def shell(machine: Machine, terminal: Terminal) -> int:
    """Run a shell on our terminal; see `run_on_terminal`."""
    return await run_on_terminal(machine, ["busybox", "sh", "-l"], terminal)


async def run_on_terminal(machine: Machine, argv: Sequence[str], terminal: Terminal) -> int:
    """Run a command on our terminal until it exits or `LEAVE` is typed.

    Return its exit status, 0 for `LEAVE`.

    Raises:
        MachineFailed: see `run`.
    """
    forwarded = _ForwardedCommand(machine, leave=LEAVE)
    resized = asyncio.get_running_loop()
    resized.add_signal_handler(signal.SIGWINCH, lambda: forwarded.send({"size": list(terminal.size())}))
    try:
        with terminal:
            request = {"kind": "exec", "argv": list(argv), "terminal": terminal.described()}
            return await forwarded.run(request)
    finally:
        resized.remove_signal_handler(signal.SIGWINCH)


class _ForwardedCommand:
    """A command in the guest with its input and output forwarded.

    Args:
        leave: bytes of input that end it.
    """

    def __init__(self, machine: Machine, leave: bytes | None = None) -> None:
        self._machine = machine
        self._leave = leave
        self._left = asyncio.Event()
        self._ended = False
        self._loop = asyncio.get_running_loop()
        self._sends: set[asyncio.Task[None]] = set()  # the loop holds only weak references to tasks

    async def run(self, request: dict[str, Any]) -> int:
        """Run the command and return its exit status."""
        stream = asyncio.create_task(self._machine.stream(request, self._on_event, silence=SILENCE_S))
        left = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait({stream, left}, return_when=asyncio.FIRST_COMPLETED)
            return int(stream.result()["status"]) if stream.done() else 0
        except BrokenPipeError:  # the reader of our output has closed it
            return streams.READER_CLOSED
        finally:
            self._ended = True
            stream.cancel()
            left.cancel()
            await asyncio.wait({stream, left})

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. Call this in the event loop."""
        task = self._loop.create_task(self._machine.tell(message))
        self._sends.add(task)
        task.add_done_callback(self._sends.discard)

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "begin":  # earlier messages are not input
            # A thread, because asyncio cannot read terminals, pipes and files alike. It may block forever.
            Thread(target=self._forward_input, daemon=True).start()
        elif event["event"] == "output":
            streams.write(DESCRIPTORS[event["stream"]], base64.b64decode(event["data"]))

    def _forward_input(self) -> None:
        """Forward standard input and its end, as fast as the guest accepts them."""
        data = b"-"
        while data and not self._ended:
            try:
                data = os.read(STDIN, CHUNK)
            except OSError:  # standard input is closed
                data = b""
            if self._leave and self._leave in data:
                self._loop.call_soon_threadsafe(self._left.set)
                return
            message = {"input": base64.b64encode(data).decode()}
            with suppress(RuntimeError, CancelledError):  # the loop and the command have ended
                asyncio.run_coroutine_threadsafe(self._machine.tell(message), self._loop).result()
