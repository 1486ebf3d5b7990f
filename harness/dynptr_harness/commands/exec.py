"""A command in a guest, seen from the host: standard input there, output here, and how it ended."""

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.vm.machine import Machine

# The agent says every two seconds that it lives; on a busy host without KVM it may come to it late.
SILENCE_S = 30.0
CHUNK = 1 << 16
DESCRIPTORS = {"stdout": 1, "stderr": 2}
LEAVE = b"\x1d"  # Ctrl-], as telnet and virsh have it: out of a guest that heeds no key any more
BROKEN_PIPE = 128 + signal.SIGPIPE


async def run(machine: Machine, argv: Sequence[str]) -> int:
    """Run a command with our standard input, output and error as its own; its exit status.

    Raises:
        MachineFailed: the machine ended before the command did.
    """
    return await _Conversation(machine).hold({"kind": "exec", "argv": list(argv)})


async def shell(machine: Machine, terminal: Terminal) -> int:
    """Run a shell on our terminal, until it ends or `LEAVE` is typed; its exit status.

    Raises:
        MachineFailed: as `run`.
    """
    conversation = _Conversation(machine, leave=LEAVE)
    resized = asyncio.get_running_loop()
    resized.add_signal_handler(signal.SIGWINCH, lambda: conversation.say({"size": list(terminal.size())}))
    try:
        with terminal:
            argv = ["busybox", "sh", "-l"]
            request = {"kind": "exec", "argv": argv, "terminal": terminal.described()}
            return await conversation.hold(request)
    finally:
        resized.remove_signal_handler(signal.SIGWINCH)


class _Conversation:
    """What goes to and fro while a command runs.

    Args:
        leave: what ends it, where it comes in the input.
    """

    def __init__(self, machine: Machine, leave: bytes | None = None) -> None:
        self._machine = machine
        self._leave = leave
        self._left = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._saying: set[asyncio.Task[None]] = set()  # held: the loop alone would let them go

    async def hold(self, request: dict[str, Any]) -> int:
        """Run the command to its end."""
        talk = asyncio.create_task(self._machine.stream(request, self._heard, silence=SILENCE_S))
        left = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait({talk, left}, return_when=asyncio.FIRST_COMPLETED)
            return int(talk.result()["status"]) if talk.done() else 0
        except BrokenPipeError:  # whoever read our output has had enough
            return BROKEN_PIPE
        finally:
            talk.cancel()
            left.cancel()
            await asyncio.wait({talk, left})

    def say(self, message: dict[str, Any]) -> None:
        """Send a message, from within the loop."""
        task = self._loop.create_task(self._machine.tell(message))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    def _heard(self, event: dict[str, Any]) -> None:
        if event["event"] == "begin":  # what comes before would be no input
            # A thread, as nothing else can wait for terminals, pipes and files alike; it may wait for ever.
            Thread(target=self._feed, daemon=True).start()
        elif event["event"] == "output":
            data = base64.b64decode(event["data"])
            while data:
                data = data[os.write(DESCRIPTORS[event["stream"]], data) :]

    def _feed(self) -> None:
        """Send standard input, as fast as the guest takes it, and that it has ended."""
        data = b"-"
        while data:
            try:
                data = os.read(STDIN, CHUNK)
            except OSError:  # there is none
                data = b""
            if self._leave and self._leave in data:
                self._loop.call_soon_threadsafe(self._left.set)
                return
            message = {"input": base64.b64encode(data).decode()}
            with suppress(RuntimeError, CancelledError):  # the loop has ended, and so has the command
                asyncio.run_coroutine_threadsafe(self._machine.tell(message), self._loop).result()
