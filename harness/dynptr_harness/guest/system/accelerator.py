"""The accelerator of the machine, as seen from the guest."""

from __future__ import annotations

import re
from pathlib import Path

CLOCKSOURCES = Path("/sys/devices/system/clocksource/clocksource0/available_clocksource")


def accelerator() -> str:
    """Return 'kvm', 'tcg' or 'unknown'.

    TCG's `-cpu max` has its own model name. KVM offers the clock source kvm-clock.
    """
    if re.search(r"^model name\s*:\s*QEMU TCG CPU", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
        return "tcg"
    if CLOCKSOURCES.exists() and "kvm-clock" in CLOCKSOURCES.read_text().split():
        return "kvm"
    return "unknown"
