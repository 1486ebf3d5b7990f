"""Where things are kept and how long to wait: one immutable object, made from the environment once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.errors import WrongUsage


@dataclass(frozen=True)
class Settings:
    """All settings of one run of the command.

    Attributes:
        cache: folder of kernels, guest images and answers that are costly to find again.
        mirror: address of a Debian mirror, or None for the one that the host's apt uses.
        snapshot_limit_mib: room for snapshots of machines, in MiB; 0 for none.
    """

    cache: Path
    mirror: str | None = None
    snapshot_limit_mib: int = 4096

    @classmethod
    def from_environment(cls) -> Settings:
        """Read DYNPTR_HARNESS_CACHE (else XDG_CACHE_HOME, else ~/.cache), _MIRROR and _SNAPSHOT_LIMIT.

        Raises:
            WrongUsage: the limit is no number.
        """
        own = os.environ.get("DYNPTR_HARNESS_CACHE")
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(
            cache=Path(own).absolute() if own else base.absolute() / "dynptr-harness",
            mirror=os.environ.get("DYNPTR_HARNESS_MIRROR") or None,
            snapshot_limit_mib=_mebibytes("DYNPTR_HARNESS_SNAPSHOT_LIMIT", cls.snapshot_limit_mib),
        )


def _mebibytes(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise WrongUsage(f"{name} is {text!r}", "give a number of MiB, such as 4096, or 0")
    return int(text)
