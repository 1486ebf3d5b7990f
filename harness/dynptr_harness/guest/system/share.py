"""The host directory that `exec --share` and `shell --share` give to the guest."""

from __future__ import annotations

import subprocess
from pathlib import Path

SERIAL = "share"  # of the disk
MOUNT_POINT = Path("/share")
BLOCK_DEVICES = Path("/sys/block")


def mount() -> None:
    """Mount the disk, which the host fills before each start of the machine.

    Raises:
        RuntimeError: it cannot be mounted.
    """
    (disk,) = (each.parent for each in BLOCK_DEVICES.glob("vd*/serial") if each.read_text().strip() == SERIAL)
    MOUNT_POINT.mkdir(exist_ok=True)
    argv = ["busybox", "mount", "-t", "erofs", "-o", "ro", f"/dev/{disk.name}", str(MOUNT_POINT)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"cannot mount the shared directory: {done.stderr.strip()}")
