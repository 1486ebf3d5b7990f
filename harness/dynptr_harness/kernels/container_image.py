"""Kernels in container images. The image is searched, not run.

The kernel is a bzImage whose name begins with vmlinuz or bzImage, in any directory: boot/vmlinuz-RELEASE,
/vmlinuz, /kernel/bzImage. Its modules are in a directory lib/modules/RELEASE at any depth, if it has any.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels import bzimage, installed
from dynptr_harness.kernels.model import Kernel
from dynptr_harness.kernels.source import Choice, KernelSource

# Modules that are slow to import are imported where they are used: --help and completion need the source.
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator
    from pathlib import Path

    from docker import DockerClient
    from docker.models.images import Image

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

PREFIX = "oci:"
KIND = "oci-kernels"  # kind of cache entry
PROVENANCE = "kernel.json"
KERNEL = re.compile(r"(?:.*/)?(?:vmlinuz|bzImage)[^/]*")
MODULE = re.compile(r"(?:.*/)?lib/modules/([^/]+/.+)")

NEEDED_MIB = 2000


class ContainerImageSource(KernelSource):
    """Kernels in container images."""

    help = f"{PREFIX}IMAGE for the kernel in a container image"

    def matches(self, selector: str) -> bool:
        """Return True for a selector with the prefix."""
        return selector.startswith(PREFIX)

    def choose(
        self,
        selector: str,
        *,
        settings: Settings,
        progress: Progress,
        modules: Path | None,  # noqa: ARG002
    ) -> Iterator[Choice]:
        """Yield the kernel. The image is pulled when the kernel is fetched."""
        yield Choice(selector, selector, partial(fetch, selector, settings, progress))


def fetch(selector: str, settings: Settings, progress: Progress) -> Kernel:
    """Return the kernel of a selector. Pull the image if the cache does not have the kernel.

    Raises:
        WrongUsage: the image does not exist, or does not contain exactly one kernel.
        EnvironmentFailed: there is no container engine, or it failed.
    """
    from dynptr_harness.containers import engine
    from dynptr_harness.core.cache import Cache

    name = selector.removeprefix(PREFIX)
    if not name:
        raise WrongUsage(f"{selector!r} names no image", "give oci:NAME, such as oci:example.org/kernel:6.12")
    with engine.connected() as client:
        image = engine.image(client, name, progress, offline=settings.offline)

        def build(directory: Path) -> None:
            with progress.phase(f"extracting the kernel from {name}"):
                _extract(client, image, name, directory)

        key = str(image.id).removeprefix("sha256:")
        entry = Cache(settings.cache).entry(KIND, key, build, needed_mib=NEEDED_MIB)
        digest = next(iter(image.attrs.get("RepoDigests", ())), f"{name}, image {image.id}")
    facts = json.loads((entry / PROVENANCE).read_text())
    return Kernel(
        release=facts["release"],
        arch="x86_64",
        image=entry / "vmlinuz",
        modules=entry / "usr/lib/modules" / facts["release"] if facts["modules"] else None,
        sha256=facts["sha256"],
        origin=f"container image {digest}",
    )


def _extract(client: DockerClient, image: Image, name: str, directory: Path) -> None:
    """Write vmlinuz, the modules and the provenance to a directory."""
    modules = directory / "usr/lib/modules"
    modules.mkdir(parents=True)
    (directory / "lib").symlink_to("usr/lib")  # depmod and modprobe use one or the other, by version
    with _content(client, image) as tar:
        kernel = _only(_unpack(tar, directory / "found", modules), name)
    kernel.image.rename(directory / "vmlinuz")
    shutil.rmtree(directory / "found")
    for other in modules.iterdir():
        if other.name != kernel.release:
            shutil.rmtree(other)
    has_modules = (modules / kernel.release).is_dir()
    if has_modules:
        installed.index(directory, kernel.release)
    facts = {"release": kernel.release, "sha256": kernel.sha256, "modules": has_modules}
    (directory / PROVENANCE).write_text(json.dumps(facts))


@contextmanager
def _content(client: DockerClient, image: Image) -> Iterator[tarfile.TarFile]:
    """Yield the files of an image as a stream. This creates a container, which is never started."""
    import tarfile

    container = client.containers.create(image, command=["never run"])
    try:
        chunks: Any = container.export()  # an iterator of bytes; the stubs are wrong
        stream = io.BufferedReader(_ChunkReader(chunks))
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            yield tar
    finally:
        container.remove(force=True)


class _ChunkReader(io.RawIOBase):
    """A file that reads from an iterator of bytes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _unpack(tar: tarfile.TarFile, found: Path, modules: Path) -> dict[str, Kernel]:
    """Write modules to `modules` and files that may be kernels to `found`. Return the kernels by path."""
    found.mkdir()
    kernels: dict[str, Kernel] = {}
    for member in tar:
        content = tar.extractfile(member) if member.isreg() else None
        if not content:
            continue
        target = modules / module[1] if (module := MODULE.fullmatch(member.name)) else None
        if KERNEL.fullmatch(member.name):
            target = found / str(len(kernels))
        if not target or ".." in target.parts:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
        if target.parent == found:
            with suppress(WrongUsage):  # not a kernel, in spite of its name
                kernels[member.name] = bzimage.resolve(target, None)
    return kernels


def _only(kernels: dict[str, Kernel], image: str) -> Kernel:
    """Return the kernel of an image. Two equal files count as one kernel."""
    different = {kernel.sha256: place for place, kernel in kernels.items()}
    if not different:
        raise WrongUsage(
            f"there is no kernel in the image {image}",
            "it must have a bzImage for x86-64 called vmlinuz* or bzImage*, in any directory",
        )
    if len(different) > 1:
        raise WrongUsage(
            f"there are several kernels in the image {image}: {', '.join(sorted(different.values()))}",
            "copy one of them out of the image, and give its path to --kernel",
        )
    return next(iter(kernels.values()))
