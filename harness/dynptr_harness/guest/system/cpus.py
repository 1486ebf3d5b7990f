"""The CPUs of the guest. The agent runs on one of them and leaves the others to its observers.

A program that busy-waits for user space blocks its CPU, and a program with interrupts off also blocks the
timers of processes that sleep there.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dynptr_harness.guest.system.sysctl import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_CPUS = frozenset(os.sched_getaffinity(0))
AGENT_CPUS = frozenset({min(ALL_CPUS)})
OTHER_CPUS = (ALL_CPUS - AGENT_CPUS) or ALL_CPUS


def require_two() -> None:
    """Check that an observer can run while a program holds a reservation.

    Raises:
        Unavailable: there is only one CPU.
    """
    if len(ALL_CPUS) == 1:
        raise Unavailable("the guest has one CPU, and a held reservation is read from a second one")


def pin_thread(cpus: frozenset[int]) -> None:
    """Pin this thread to these CPUs. New threads and children inherit that."""
    os.sched_setaffinity(0, cpus)


@contextmanager
def on_all_cpus() -> Iterator[None]:
    """Allow the agent, and the threads and children that it starts, to run on all CPUs."""
    pin_thread(ALL_CPUS)
    try:
        yield
    finally:
        pin_thread(AGENT_CPUS)
