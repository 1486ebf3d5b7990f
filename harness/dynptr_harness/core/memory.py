"""The memory that is available to this process."""

from __future__ import annotations

import re
from pathlib import Path

from dynptr_harness.core import cgroups

MEMINFO = Path("/proc/meminfo")


def available_mib() -> int:
    """Return the memory in MiB that can be used without swapping, within the limits of the control groups.

    The host's part is MemAvailable (Linux 3.14). It is 0 if the host does not report it.
    """
    found = re.search(r"^MemAvailable: +(\d+) kB$", MEMINFO.read_text(), re.MULTILINE)
    host = int(found[1]) >> 10 if found else 0
    return min([host, *(int(limit) >> 20 for (limit,) in cgroups.limits("memory.max"))])
