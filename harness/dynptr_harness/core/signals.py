"""Signals that end the command: Ctrl-C, SIGTERM and SIGHUP. Clean-up runs before the end."""

from __future__ import annotations

import os
import signal
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(SystemExit):
    """A signal ended the command. The exit status is 128 plus the number of the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.status = 128 + number
        self.name = signal.Signals(number).name


def raise_on_signals() -> None:
    """Let signals raise Interrupted in the main thread from now on, so that all clean-up runs."""

    def interrupted(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    for number in SIGNALS:
        signal.signal(number, interrupted)


def raise_when_stdin_ends() -> None:
    """Treat the end of standard input as SIGHUP from now on. In a container it means a dead client."""

    def watch() -> None:
        while os.read(0, 1 << 12):
            pass
        os.kill(os.getpid(), signal.SIGHUP)

    Thread(target=watch, daemon=True).start()


def run_until_signal(work: Coroutine[None, None, T]) -> T:
    """Run `work` in an event loop of its own and return its result.

    Raises:
        Interrupted: a signal ended the work.
    """
    import asyncio  # slow to import, and few commands need it

    done: list[T] = []

    async def keep() -> None:
        done.append(await work)

    if interrupted := asyncio.run(until_signal(keep())):
        raise interrupted
    return done[0]


async def until_signal(work: Coroutine[None, None, None]) -> Interrupted | None:
    """Run `work` until it ends or a signal cancels it. Return the interruption, or None.

    The cancelled work has unlimited time for its clean-up.
    """
    import asyncio  # slow to import, and few commands need it

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
