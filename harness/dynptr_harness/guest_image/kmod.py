"""The kernel modules that a boot needs, found in the kernel's own module folder by modprobe."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.kernels.model import Kernel

# To reach the disks, mount them and talk over the virtio ports. What a kernel has built in, or lacks,
# yields no file; the init script names what it then cannot do.
NEEDED = ("virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "erofs", "overlay")

DECOMPRESSORS = {
    ".xz": ["xz", "--decompress"],
    ".zst": ["zstd", "--decompress", "--rm", "--quiet"],
    ".gz": ["gzip", "--decompress"],
}


def extract(kernel: Kernel, folder: Path) -> list[Path]:
    """Put the modules that a boot of `kernel` needs into `folder`, uncompressed.

    Returns:
        Their paths in the order in which they must be loaded; none where all is built in.
    """
    if kernel.modules is None:
        return []
    base = folder / "base"
    (base / "lib/modules").mkdir(parents=True)
    (base / "lib/modules" / kernel.release).symlink_to(kernel.modules.resolve())
    found = dict.fromkeys(path for name in NEEDED for path in _load_order(name, base, kernel.release))
    return [_uncompressed(path, folder) for path in found]


def _load_order(name: str, base: Path, release: str) -> list[Path]:
    """The files of module `name` and of what it depends on, dependencies first."""
    try:
        shown = subprocesses.run(
            ["modprobe", f"--dirname={base}", f"--set-version={release}", "--show-depends", name],
            what=f"looking up module {name} of {release}",
            deadline=30,
        )
    except EnvironmentFailed as error:
        if "not found" in error.fact:  # built in: from 7.x on, packages do not list what is
            return []
        raise
    return [base / line.split()[1] for line in shown.splitlines() if line.startswith("insmod ")]


def _uncompressed(module: Path, folder: Path) -> Path:
    copy = folder / module.name
    shutil.copyfile(module, copy)
    if command := DECOMPRESSORS.get(copy.suffix):
        subprocesses.run([*command, str(copy)], what=f"uncompressing {module.name}", deadline=30)
        copy = copy.with_suffix("")
    return copy
