"""The kernel modules that a boot needs, found by modprobe."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.kernels.model import Kernel

# Modules for the disks, their file systems and the virtio ports. A built-in or missing module yields no file.
# The init script reports what does not work.
NEEDED = ("virtio_pci", "virtio_blk", "virtio_console", "virtio_rng", "erofs", "overlay")

DECOMPRESSORS = {
    ".xz": ["xz", "--decompress"],
    ".zst": ["zstd", "--decompress", "--rm", "--quiet"],
    ".gz": ["gzip", "--decompress"],
}


def extract(kernel: Kernel, directory: Path) -> list[Path]:
    """Copy the modules that a boot needs into a directory, uncompressed.

    Returns:
        Their paths in load order. Empty if everything is built in.
    """
    if kernel.modules is None:
        return []
    base = directory / "base"
    (base / "lib/modules").mkdir(parents=True)
    (base / "lib/modules" / kernel.release).symlink_to(kernel.modules.resolve())
    found = dict.fromkeys(path for name in NEEDED for path in _load_order(name, base, kernel.release))
    return [_uncompressed(path, directory) for path in found]


def _load_order(name: str, base: Path, release: str) -> list[Path]:
    """Return the files of a module and its dependencies, dependencies first.

    The configuration of the host does not count: there, overlay may be disabled, and the guest needs it.
    """
    try:
        shown = subprocesses.run(
            [
                *("modprobe", f"--config={os.devnull}", f"--dirname={base}", f"--set-version={release}"),
                *("--show-depends", name),
            ],
            what=f"looking up module {name} of {release}",
            deadline=30,
            env={"MODPROBE_OPTIONS": ""},
        )
    except EnvironmentFailed as error:
        if "not found" in error.fact:  # built in: packages since 7.x do not list built-in modules
            return []
        raise
    # insmod FILE OPTIONS. Only the path of the cache, which is ours, can contain blanks.
    prefix = f"insmod {base}/"
    found = (line.removeprefix(prefix) for line in shown.splitlines() if line.startswith(prefix))
    return [base / rest.split()[0] for rest in found]


def _uncompressed(module: Path, directory: Path) -> Path:
    copy = directory / module.name
    shutil.copyfile(module, copy)
    if command := DECOMPRESSORS.get(copy.suffix):
        subprocesses.run([*command, str(copy)], what=f"uncompressing {module.name}", deadline=30)
        copy = copy.with_suffix("")
    return copy
