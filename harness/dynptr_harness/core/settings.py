"""Settings from environment variables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dynptr_harness.core.errors import WrongUsage

# Environment variables and their meanings: the source of the table in docs/options.md.
VARIABLES = {
    "DYNPTR_HARNESS_CACHE": "Directory of the cache. Default: `$XDG_CACHE_HOME/dynptr-harness`, "
    "or `~/.cache/dynptr-harness`.",
    "DYNPTR_HARNESS_MIRROR": "URL of a Debian mirror. Default: the mirror of the host's apt.",
    "DYNPTR_HARNESS_OFFLINE": "1 uses the cache only, as `--offline` does. Default: 0.",
    "DYNPTR_HARNESS_SNAPSHOT_LIMIT": "Disk space for snapshots, in MiB; 0 for none. Default: 8192.",
    "DYNPTR_HARNESS_BASE_IMAGE": "Base image for `--in docker`, with Debian 13. Default: the Dockerfile's.",
}


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Attributes:
        cache: directory of the cache.
        mirror: URL of a Debian mirror. None for the mirror of the host's apt.
        offline: use the cache only; fetch nothing.
        snapshot_limit_mib: disk space for snapshots in MiB; 0 for no snapshots.
        base_image: base of the container image for `--in docker`. None for the Dockerfile's.
    """

    cache: Path
    mirror: str | None = None
    offline: bool = False
    snapshot_limit_mib: int = 8192
    base_image: str | None = None

    @classmethod
    def from_environment(cls) -> Settings:
        """Return the settings of `VARIABLES`.

        Raises:
            WrongUsage: a value is not valid.
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
        raise WrongUsage(f"{name} is {text!r}", "set it to 1 or 0")
    return text == "1"


def _mebibytes(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise WrongUsage(f"{name} is {text!r}", "set it to a number of MiB, such as 4096, or to 0")
    return int(text)
