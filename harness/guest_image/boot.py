"""Everything QEMU needs to boot one kernel into the agent, made once and kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cache import Cache
from harness.guest_image import erofs, initramfs, modules, objects, payload
from harness.guest_image.model import BootFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.guest_image.model import GuestImage
    from harness.kernels.model import Kernel
    from harness.progress import Progress
    from harness.settings import Settings

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
        content = payload.contents(replaced, objects.compiled(payload.bpf_src(), cache))
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
    initramfs.write(folder / "initramfs.cpio", busybox=image.busybox, modules=modules.extract(kernel, work))
    shutil.rmtree(work)
    if kernel.modules:
        erofs.write(folder / "modules.erofs", kernel.modules)


def key(kernel: Kernel, image: GuestImage) -> str:
    """Changes with the kernel, its modules, the guest image, and how the files are made of them."""
    digest = hashlib.sha256(f"{kernel.sha256} {kernel.release} {image.key}\n".encode())
    for recipe in (initramfs.SCRIPT, *map(Path, (initramfs.__file__, modules.__file__, erofs.__file__))):
        digest.update(recipe.read_bytes())
    for path in sorted(kernel.modules.rglob("*")) if kernel.modules else ():
        state = path.lstat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return f"{kernel.release}-{digest.hexdigest()[:16]}"
