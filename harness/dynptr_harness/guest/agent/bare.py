"""A guest that holds none of our programs and maps: it runs users' commands only."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from dynptr_harness.guest.system.accelerator import accelerator

ARGUMENT = "dynptr_harness.bare"  # of the kernel


class BareDispatcher:
    """Replaces the dispatcher of experiments."""

    def __init__(self) -> None:
        subprocess.run(["busybox", "ip", "link", "set", "lo", "up"], check=True)

    @staticmethod
    def facts() -> dict[str, Any]:
        """Return the facts that every start of a machine needs."""
        return {"release": os.uname().release, "accelerator": accelerator()}

    def prepare(self) -> None:
        """Do nothing."""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Raise ValueError."""
        raise ValueError(f"a bare guest does not answer {request['kind']!r}")
