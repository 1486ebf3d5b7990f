"""The initramfs of a kernel: a static busybox, the modules for the disks, and a script."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).with_name("initramfs-init.sh")
PACK = "--create --format=newc --reproducible --owner=0:0 --null --quiet"


def write(target: Path, *, busybox: Path, modules: Sequence[Path]) -> None:
    """Write a reproducible cpio archive.

    It is not compressed: decompression in the guest takes longer than QEMU's copy of 3 MB.

    Args:
        target: file to write. Its directory must be empty: the tree is built there.
        busybox: a static busybox.
        modules: uncompressed modules in load order.
    """
    tree = target.parent / "initramfs"
    for directory in ("bin", "dev", "proc", "sys", "modules"):
        (tree / directory).mkdir(parents=True)
    shutil.copyfile(busybox, tree / "bin/busybox")
    shutil.copyfile(SCRIPT, tree / "init")
    for position, module in enumerate(modules):
        shutil.copyfile(module, tree / "modules" / f"{position:02}-{module.name}")

    paths = sorted(tree.rglob("*"))
    for path in paths:
        path.chmod(0o755)
        os.utime(path, (0, 0))
    names = target.parent / "initramfs.names"
    names.write_bytes(b"".join(bytes(path.relative_to(tree)) + b"\0" for path in paths))
    subprocesses.run(
        ["sh", "-c", f'exec cpio {PACK} --directory="$1" --file="$2" < "$3"', "cpio", tree, target, names],
        what=f"packing {target.name}",
        deadline=60,
    )
    names.unlink()
    shutil.rmtree(tree)
