"""The accelerator of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Accelerator:
    """The way in which QEMU runs the guest's instructions, with the reason for this choice."""

    name: Literal["kvm", "tcg", "none"]  # none: without QEMU
    reason: str
