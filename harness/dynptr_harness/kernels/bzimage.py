"""Kernels given as files."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels.model import Kernel
from dynptr_harness.kernels.selectors import is_set
from dynptr_harness.kernels.source import Choice, KernelSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

# The setup header of an x86 kernel image: Documentation/arch/x86/boot.rst in the kernel's source.
MAGIC, MAGIC_OFFSET = b"HdrS", 0x202
VERSION_POINTER_OFFSET = 0x20E  # the pointer is the offset of the version string, less 0x200
HEADER_END = 0x210
VERSION_LENGTH = 512

HINT = (
    "give a bzImage of Linux for x86-64, such as arch/x86/boot/bzImage or /boot/vmlinuz-RELEASE, a build "
    "tree, or a package"
)


class BzImageSource(KernelSource):
    """Kernels given as files."""

    help = "the path of a bzImage"
    takes_modules = True

    def matches(self, selector: str) -> bool:
        """Return True for a path: it contains a slash, or names a file in the current directory."""
        return "/" in selector or (Path(selector).is_file() and not is_set(selector))

    def choose(
        self,
        selector: str,
        *,
        settings: Settings,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        modules: Path | None,
    ) -> Iterator[Choice]:
        """Yield the kernel. Read it now, to report a wrong file before other kernels are fetched."""
        kernel = resolve(Path(selector), modules)
        yield Choice(selector, kernel.origin, lambda: kernel)

    def path(self, selector: str) -> Path:
        """Return the selector, which is a path."""
        return Path(selector)


def resolve(image: Path, modules: Path | None) -> Kernel:
    """Return the kernel in a bzImage.

    Args:
        image: the bzImage.
        modules: …/lib/modules/RELEASE, or a root directory that contains it. None for no modules.

    Raises:
        WrongUsage: the file is not a bzImage, or the modules are for another kernel.
    """
    return of_release(image, release_of(image), modules)


def of_release(image: Path, release: str, modules: Path | None) -> Kernel:
    """Return the kernel in a file whose release is known.

    Raises:
        WrongUsage: the modules are of another kernel.
    """
    import hashlib  # slow to import, and --help needs this module

    with image.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Kernel(
        release=release,
        arch="x86_64",
        image=image.absolute(),
        modules=_modules(modules, release) if modules else None,
        sha256=digest,
        origin=str(image.absolute()),
    )


def release_of(image: Path) -> str:
    """Return the release in the header of a bzImage. Raise WrongUsage if the file is not a bzImage."""
    try:
        with image.open("rb") as content:
            header = content.read(HEADER_END)
            if header[MAGIC_OFFSET : MAGIC_OFFSET + len(MAGIC)] != MAGIC or len(header) < HEADER_END:
                raise WrongUsage(f"{image} is not a bootable kernel: it has no x86 setup header", HINT)
            (pointer,) = struct.unpack_from("<H", header, VERSION_POINTER_OFFSET)
            content.seek(pointer + 0x200)
            words = content.read(VERSION_LENGTH).split(b"\0")[0].decode("ascii", "replace").split()
    except OSError as error:
        raise WrongUsage(f"cannot read the kernel {image}: {error.strerror}", HINT) from error
    if not pointer or not words:
        raise WrongUsage(f"{image} does not contain its release", HINT)
    return words[0]


def _modules(given: Path, release: str) -> Path:
    for directory in (given, given / "lib/modules" / release, given / "usr/lib/modules" / release):
        if (directory / "modules.dep").is_file():
            if directory.name != release:
                raise WrongUsage(f"the modules in {directory} are not for the kernel release {release}")
            return directory.absolute()
    raise WrongUsage(
        f"no modules of {release} in {given}: there is no modules.dep",
        f"give the directory lib/modules/{release} of `make modules_install`, after depmod",
    )
