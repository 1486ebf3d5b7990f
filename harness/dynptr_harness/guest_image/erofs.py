"""Read-only disk images with erofs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses

if TYPE_CHECKING:
    from pathlib import Path

NO_UUID = "00000000-0000-0000-0000-000000000000"


def extract(image: Path, directory: Path) -> None:
    """Unpack an image into a new directory."""
    subprocesses.run(
        ["fsck.erofs", f"--extract={directory}", str(image)], what=f"unpacking {image.name}", deadline=300
    )


def write(target: Path, directory: Path) -> None:
    """Pack a directory into an image. Files belong to root, and the image is reproducible."""
    _make(target, directory, "-zlz4", "-T0")


def write_copy(target: Path, directory: Path) -> None:
    """Pack a directory into an image quickly. Files belong to root and keep their modification times."""
    _make(target, directory, "-x-1", "--preserve-mtime")


def _make(target: Path, directory: Path, *options: str) -> None:
    subprocesses.run(
        ["mkfs.erofs", *options, f"-U{NO_UUID}", "--all-root", "--quiet", str(target), str(directory)],
        what=f"packing {target.name}",
        deadline=300,
    )
