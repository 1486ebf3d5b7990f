"""How many machines a host can bear at a time."""

from __future__ import annotations

import os
import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
# What QEMU takes beside the guest's memory: mostly translated code, where it emulates.
OVERHEAD_MIB = 512


def default(memory_mib: int) -> int:
    """One for each processor that we may use, as far as the memory that is available lets them; at least one.

    Args:
        memory_mib: a guest's memory, in MiB.
    """
    processors = len(os.sched_getaffinity(0))
    return max(1, min(processors, _available_mib() // (memory_mib + OVERHEAD_MIB)))


def _available_mib() -> int:
    """Memory that can be taken without swapping (MemAvailable, Linux 3.14)."""
    found = re.search(r"^MemAvailable: +(\d+) kB$", MEMINFO.read_text(), re.MULTILINE)
    return int(found[1]) >> 10 if found else 0
