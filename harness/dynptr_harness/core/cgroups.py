"""Limits of this process's control groups (version 2), such as those of a container."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")


def limits(name: str) -> Iterator[list[str]]:
    """Yield the words of a file, such as 'cpu.max', in each control group that sets a limit there."""
    ours = re.search(r"^0::/(.*)$", (ROOT / "proc/self/cgroup").read_text(), re.MULTILINE)
    group = ROOT / "sys/fs/cgroup" / (ours[1] if ours else "")
    for directory in (group, *group.parents):
        file = directory / name
        if file.exists() and (words := file.read_text().split())[0] != "max":
            yield words
