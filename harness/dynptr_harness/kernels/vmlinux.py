"""ELF kernels, which QEMU boots by their entry for PVH."""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels import bzimage
from dynptr_harness.kernels.selectors import in_file_system
from dynptr_harness.kernels.source import Choice, KernelSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel

MAGIC = b"\x7fELF"
ELFCLASS64, ELFDATA2LSB, EM_X86_64 = 2, 1, 62
PT_NOTE = 4
# The note with the address of the 32-bit entry: include/xen/interface/elfnote.h in the kernel's source.
XEN, XEN_ELFNOTE_PHYS32_ENTRY = b"Xen\0", 18
BANNER = re.compile(rb"Linux version (\d\S*) \(")

HINT = "give the bzImage of this kernel, such as arch/x86/boot/bzImage"


class VmlinuxSource(KernelSource):
    """Kernels given as ELF files."""

    help = "a vmlinux"
    takes_modules = True

    def matches(self, selector: str) -> bool:
        """Return True for an ELF file."""
        if not in_file_system(selector):
            return False
        try:
            with Path(selector).open("rb") as file:
                return file.read(len(MAGIC)) == MAGIC
        except OSError:
            return False

    def choose(
        self,
        selector: str,
        *,
        settings: Settings,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        modules: Path | None,
    ) -> Iterator[Choice]:
        """Yield the kernel. It is read immediately, so that a wrong file is reported before the others."""
        kernel = resolve(Path(selector), modules)
        yield Choice(selector, kernel.origin, lambda: kernel)

    def path(self, selector: str) -> Path:
        """Return the path."""
        return Path(selector)


def resolve(image: Path, modules: Path | None) -> Kernel:
    """Return the kernel in an ELF file.

    Raises:
        WrongUsage: it is not a kernel that QEMU can boot, or the modules are of another kernel.
    """
    with image.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            notes = list(_notes(content))
        except struct.error as error:
            raise WrongUsage(f"{image} is a damaged ELF file: {error}", HINT) from error
        except ValueError as error:
            raise WrongUsage(f"{image} is not a kernel for x86-64: {error}", HINT) from error
        found = BANNER.search(content)
        release = found[1].decode("ascii", "replace") if found else ""
    if not release:
        raise WrongUsage(f"{image} is not a Linux kernel: it has no text 'Linux version'", HINT)
    if (XEN, XEN_ELFNOTE_PHYS32_ENTRY) not in notes:
        raise WrongUsage(
            f"{image} has no entry for PVH (the note XEN_ELFNOTE_PHYS32_ENTRY), so QEMU cannot boot it",
            f"build it with CONFIG_PVH, or {HINT}",
        )
    return bzimage.of_release(image, release, modules)


def _notes(content: mmap.mmap) -> Iterator[tuple[bytes, int]]:
    """Yield owner and type of each note in the segments. Raise ValueError for another machine."""
    kind, order = content[4], content[5]
    (machine,) = struct.unpack_from("<H", content, 18)
    if (kind, order, machine) != (ELFCLASS64, ELFDATA2LSB, EM_X86_64):
        raise ValueError(f"its machine is {machine}, and {EM_X86_64} is x86-64")
    (table,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<2H", content, 54)
    for number in range(count):
        kind, _flags, offset, _vaddr, _paddr, length = struct.unpack_from(
            "<2I4Q", content, table + number * size
        )
        if kind == PT_NOTE:
            yield from _notes_in(content, offset, offset + length)


def _notes_in(content: mmap.mmap, position: int, end: int) -> Iterator[tuple[bytes, int]]:
    while position + 12 <= end:
        name_size, size, kind = struct.unpack_from("<3I", content, position)
        yield content[position + 12 : position + 12 + name_size], kind
        position += 12 + _padded(name_size) + _padded(size)


def _padded(size: int) -> int:
    return size + -size % 4
