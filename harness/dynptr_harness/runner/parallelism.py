"""How many machines a host can bear at a time."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")
# What QEMU takes beside the guest's memory: mostly translated code, where it emulates.
OVERHEAD_MIB = 512


def default(memory_mib: int) -> int:
    """One for each processor that we may use, as far as the memory that is available lets them; at least one.

    The limits of our control groups count too, such as those of a container.

    Args:
        memory_mib: a guest's memory, in MiB.
    """
    quotas = (int(quota) / int(period) for quota, period in _limits("cpu.max"))
    processors = min([len(os.sched_getaffinity(0)), *quotas])
    memory = min([_available_mib(), *(int(limit) / 2**20 for (limit,) in _limits("memory.max"))])
    return max(1, int(min(processors, memory // (memory_mib + OVERHEAD_MIB))))


@dataclass(frozen=True)
class CpuSlot:
    """What one of the machines that run at a time has of the host.

    Attributes:
        processors: of ours, for those of its guest in order; empty where any will do.
        round_robin: whether those of its guest had better take turns, where they are emulated.
    """

    processors: tuple[int, ...] = ()
    round_robin: bool = False


def places(jobs: int) -> list[CpuSlot]:
    """For each of the machines that run at a time, its place.

    As many machines as processors are kept to theirs: the first processor of a guest, where the agent works,
    has one of ours, and its second, idle but for moments, has that of the next machine. A scheduler that
    packs what sleeps now and then onto few processors made two machines as slow as one after the other.
    Where there are fewer machines, the scheduler knows better what else the host does.

    Where every processor of ours has a machine, none is left for a guest's second one, and each wait of one
    for the other is a wait for our scheduler: two machines took 55 s of processor time instead of 64 with
    processors that take turns (docs/benchmarks.md).
    """
    processors = tuple(sorted(os.sched_getaffinity(0)))
    round_robin = jobs >= len(processors)
    if not 1 < jobs == len(processors):
        return [CpuSlot(round_robin=round_robin) for _ in range(jobs)]
    return [CpuSlot(processors[first:] + processors[:first], round_robin) for first in range(jobs)]


def _available_mib() -> int:
    """Memory that can be taken without swapping (MemAvailable, Linux 3.14)."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", (ROOT / "proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) >> 10 if found else 0


def _limits(name: str) -> Iterator[list[str]]:
    """What a file says in each control group of version 2 that we are in, where it says a limit."""
    ours = re.search(r"^0::/(.*)$", (ROOT / "proc/self/cgroup").read_text(), re.MULTILINE)
    group = ROOT / "sys/fs/cgroup" / (ours[1] if ours else "")
    for folder in (group, *group.parents):
        file = folder / name
        if file.exists() and (words := file.read_text().split())[0] != "max":
            yield words
