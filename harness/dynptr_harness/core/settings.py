"""Where things are kept and how long to wait: one immutable object, made from the environment once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dynptr_harness.core.errors import WrongUsage

# Environment variables and their meanings: the source of the table in docs/options.md.
VARIABLES = {
    "DYNPTR_HARNESS_CACHE": "Directory of the cache. Default: `$XDG_CACHE_HOME/dynptr-harness`, "
    "or `~/.cache/dynptr-harness`.",
    "DYNPTR_HARNESS_MIRROR": "Address of a Debian mirror. Default: the mirror of the host's apt.",
    "DYNPTR_HARNESS_OFFLINE": "1 uses the cache only, as `--offline` does. Default: 0.",
    "DYNPTR_HARNESS_SNAPSHOT_LIMIT": "Disk space for snapshots, in MiB; 0 for none. Default: 8192.",
    "DYNPTR_HARNESS_BASE_IMAGE": "Base image for `--in docker`, a Debian 13. Default: the Dockerfile's.",
}


@dataclass(frozen=True)
class Settings:
    """All settings of one run of the command.

    Attributes:
        cache: folder of kernels, guest images and answers that are costly to find again.
        mirror: address of a Debian mirror, or None for the one that the host's apt uses.
        offline: nothing is fetched; what the cache has must do.
        snapshot_limit_mib: room for snapshots of machines, in MiB; 0 for none.
        base_image: what our own container image begins with, or None for the Dockerfile's own.
    """

    cache: Path
    mirror: str | None = None
    offline: bool = False
    snapshot_limit_mib: int = 8192
    base_image: str | None = None

    @classmethod
    def from_environment(cls) -> Settings:
        """Read DYNPTR_HARNESS_CACHE (else XDG_CACHE_HOME, else ~/.cache), and _MIRROR, _OFFLINE,
        _SNAPSHOT_LIMIT and _BASE_IMAGE.

        Raises:
            WrongUsage: the limit is no number, or _OFFLINE is neither 0 nor 1.
        """
        own = os.environ.get("DYNPTR_HARNESS_CACHE")
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(
            cache=Path(own).absolute() if own else base.absolute() / "dynptr-harness",
            mirror=os.environ.get("DYNPTR_HARNESS_MIRROR") or None,
            offline=_flag("DYNPTR_HARNESS_OFFLINE"),
            snapshot_limit_mib=_mebibytes("DYNPTR_HARNESS_SNAPSHOT_LIMIT", cls.snapshot_limit_mib),
            base_image=os.environ.get("DYNPTR_HARNESS_BASE_IMAGE") or None,
        )


def _flag(name: str) -> bool:
    text = os.environ.get(name) or "0"
    if text not in ("0", "1"):
        raise WrongUsage(f"{name} is {text!r}", "give 1 for yes, or 0")
    return text == "1"


def _mebibytes(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise WrongUsage(f"{name} is {text!r}", "give a number of MiB, such as 4096, or 0")
    return int(text)
