"""Where things are kept and how long to wait: one immutable object, made from the environment once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """All settings of one run of the command.

    Attributes:
        cache: folder of kernels, guest images and answers that are costly to find again.
        mirror: address of a Debian mirror, or None for the one that the host's apt uses.
    """

    cache: Path
    mirror: str | None = None

    @classmethod
    def from_environment(cls) -> Settings:
        """Read DYNPTR_HARNESS_CACHE (else XDG_CACHE_HOME, else ~/.cache) and DYNPTR_HARNESS_MIRROR."""
        own = os.environ.get("DYNPTR_HARNESS_CACHE")
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(
            cache=Path(own).absolute() if own else base.absolute() / "dynptr-harness",
            mirror=os.environ.get("DYNPTR_HARNESS_MIRROR") or None,
        )
