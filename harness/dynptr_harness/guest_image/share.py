"""The disk with a directory of the host, for `exec --share` and `shell --share`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.guest_image import erofs

if TYPE_CHECKING:
    from pathlib import Path

SIZE_GIB = 64  # of every such disk. A restored guest expects the size of the disk that was there at the boot.


def write(target: Path, directory: Path) -> None:
    """Pack a directory into a disk image. It takes the disk space of its files.

    Raises:
        EnvironmentFailed: a file cannot be read, the directory is too large, or the disk is full.
    """
    erofs.write_copy(target, directory)
    if target.stat().st_size > SIZE_GIB << 30:
        raise EnvironmentFailed(f"{directory} has more than {SIZE_GIB} GiB", "share a smaller directory")
    os.truncate(target, SIZE_GIB << 30)
