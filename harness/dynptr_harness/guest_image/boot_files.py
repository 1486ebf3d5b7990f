"""The files that QEMU needs to boot a kernel with the agent. They are cached."""

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

KIND = "boot"  # kind of cache entry; the key begins with the kernel's release


def files(
    kernel: Kernel,
    image: GuestImage,
    *,
    settings: Settings,
    progress: Progress,
    replaced: Mapping[str, Path] | None = None,
) -> BootFiles:
    """Return the files to boot a kernel with a guest image. Build them if they are not cached.

    Args:
        kernel: the kernel.
        image: root file system and busybox.
        settings: the settings.
        progress: shows the build.
        replaced: see `payload.contents`.

    Raises:
        EnvironmentFailed: a tool is missing or failed, or the disk is full.
    """
    cache = Cache(settings.cache)
    with progress.phase(f"boot files for {kernel.release}"):
        content = payload.contents(replaced, bpf_objects.compiled(paths.bpf_src(), cache))
        boot_key, payload_key = key(kernel, image), payload.key(content)
        boot = cache.entry(KIND, boot_key, lambda directory: _build(kernel, image, directory))
        disk = cache.entry(
            "payload", payload_key, lambda directory: payload.write(content, directory / "payload.erofs")
        )
    return BootFiles(
        kernel=kernel.image,
        initramfs=boot / "initramfs.cpio",
        root=image.root,
        payload=disk / "payload.erofs",
        modules=boot / "modules.erofs" if kernel.modules else None,
        key=f"{boot_key}-{payload_key}",
    )


def _build(kernel: Kernel, image: GuestImage, directory: Path) -> None:
    work = directory / "work"
    work.mkdir()
    initramfs.write(directory / "initramfs.cpio", busybox=image.busybox, modules=kmod.extract(kernel, work))
    shutil.rmtree(work)
    if kernel.modules:
        erofs.write(directory / "modules.erofs", kernel.modules)


def key(kernel: Kernel, image: GuestImage) -> str:
    """Return a hash of the kernel, its modules, the guest image, and the code that builds the files."""
    digest = hashlib.sha256(f"{kernel.sha256} {kernel.release} {image.key}\n".encode())
    for recipe in (initramfs.SCRIPT, *map(Path, (initramfs.__file__, kmod.__file__, erofs.__file__))):
        digest.update(recipe.read_bytes())
    for path in sorted(kernel.modules.rglob("*")) if kernel.modules else ():
        state = path.lstat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return f"{kernel.release}-{digest.hexdigest()[:16]}"
