"""Everything QEMU needs to boot one kernel into the agent, made once and kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core import paths
from dynptr_harness.core.cache import Cache
from dynptr_harness.guest_image import bpf_objects, erofs, initramfs, kmod, payload
from dynptr_harness.guest_image.model import BootFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.guest_image.model import GuestImage
    from dynptr_harness.kernels.model import Kernel

KIND = "boot"  # of cache entry; the key begins with the kernel's release


def files(
    kernel: Kernel,
    image: GuestImage,
    *,
    settings: Settings,
    progress: Progress,
    replaced: Mapping[str, Path] | None = None,
) -> BootFiles:
    """The files of a boot of `kernel` with the guest image `image`.

    Args:
        kernel: what to boot.
        image: root file system and busybox.
        settings: says where the cache is.
        progress: is told what is being made.
        replaced: see `payload.contents`.

    Raises:
        EnvironmentFailed: a tool is missing or failed, or the disk is full.
    """
    cache = Cache(settings.cache)
    with progress.phase(f"boot files for {kernel.release}"):
        content = payload.contents(replaced, bpf_objects.compiled(paths.bpf_src(), cache))
        boot_key, payload_key = key(kernel, image), payload.key(content)
        boot = cache.entry(KIND, boot_key, lambda folder: _build(kernel, image, folder))
        disk = cache.entry(
            "payload", payload_key, lambda folder: payload.write(content, folder / "payload.erofs")
        )
    return BootFiles(
        kernel=kernel.image,
        initramfs=boot / "initramfs.cpio",
        root=image.root,
        payload=disk / "payload.erofs",
        modules=boot / "modules.erofs" if kernel.modules else None,
        key=f"{boot_key}-{payload_key}",
    )


def _build(kernel: Kernel, image: GuestImage, folder: Path) -> None:
    work = folder / "work"
    work.mkdir()
    initramfs.write(folder / "initramfs.cpio", busybox=image.busybox, modules=kmod.extract(kernel, work))
    shutil.rmtree(work)
    if kernel.modules:
        erofs.write(folder / "modules.erofs", kernel.modules)


def key(kernel: Kernel, image: GuestImage) -> str:
    """Changes with the kernel, its modules, the guest image, and how the files are made of them."""
    digest = hashlib.sha256(f"{kernel.sha256} {kernel.release} {image.key}\n".encode())
    for recipe in (initramfs.SCRIPT, *map(Path, (initramfs.__file__, kmod.__file__, erofs.__file__))):
        digest.update(recipe.read_bytes())
    for path in sorted(kernel.modules.rglob("*")) if kernel.modules else ():
        state = path.lstat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return f"{kernel.release}-{digest.hexdigest()[:16]}"
