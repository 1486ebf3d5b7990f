"""Ctrl-C and the other polite ways to end us: nothing is left behind, and what is done is told."""

from __future__ import annotations

import os
import signal
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(SystemExit):
    """A person or a supervisor asked us to end; the exit status is 128 and the number of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.status = 128 + number
        self.name = signal.Signals(number).name


def raise_on_signals() -> None:
    """From now on a signal raises Interrupted in the main thread, so that every clean-up runs."""

    def interrupted(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    for number in SIGNALS:
        signal.signal(number, interrupted)


def raise_when_stdin_ends() -> None:
    """From now on the end of standard input is a signal, too: in a container, whoever started it is gone."""

    def watch() -> None:
        while os.read(0, 1 << 12):
            pass
        os.kill(os.getpid(), signal.SIGHUP)

    Thread(target=watch, daemon=True).start()


async def until_signal(work: Coroutine[None, None, None]) -> Interrupted | None:
    """Run `work` to its end, or until a signal cancels it; returns what interrupted it.

    `work` sees the cancellation, cleans up, and may take the time that it needs for that.
    """
    import asyncio  # takes long, and few commands wait for anything

    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    caught: list[int] = []

    def cancel(number: int) -> None:
        caught.append(number)
        task.cancel()

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        loop.add_signal_handler(number, cancel, number)
    try:
        await task
    except asyncio.CancelledError:
        if not caught:
            raise
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
    return Interrupted(caught[0]) if caught else None
