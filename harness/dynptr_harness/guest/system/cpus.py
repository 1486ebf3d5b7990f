"""Which processors do what: the agent keeps to one, so that those who look on from outside have the others.

A program that holds its processor until user space has looked at the ring keeps everybody else from it, and
one that runs with interrupts off keeps the timers of those who sleep there from firing.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = frozenset(os.sched_getaffinity(0))
OURS = frozenset({min(ALL)})
OTHERS = (ALL - OURS) or ALL


def pin_vcpus(processors: frozenset[int]) -> None:
    """This thread, and what it starts, runs on these only."""
    os.sched_setaffinity(0, processors)


@contextmanager
def anywhere() -> Iterator[None]:
    """Within this context the agent, and what it starts, may run on any processor."""
    pin_vcpus(ALL)
    try:
        yield
    finally:
        pin_vcpus(OURS)
