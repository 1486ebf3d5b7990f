"""Read-only disk images: a folder as an erofs file system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses

if TYPE_CHECKING:
    from pathlib import Path

NO_UUID = "00000000-0000-0000-0000-000000000000"


def extract(image: Path, folder: Path) -> None:
    """Unpack an image into a folder that is not there yet."""
    subprocesses.run(
        ["fsck.erofs", f"--extract={folder}", str(image)], what=f"unpacking {image.name}", deadline=300
    )


def write(target: Path, folder: Path) -> None:
    """Pack `folder` into the image `target`: owned by root, and the same bytes for the same content."""
    subprocesses.run(
        ["mkfs.erofs", "-zlz4", "-T0", f"-U{NO_UUID}", "--all-root", "--quiet", str(target), str(folder)],
        what=f"packing {target.name}",
        deadline=300,
    )
