"""ELF kernels: QEMU boots those with an entry for PVH."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from dynptr_harness import kernels
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.kernels.model import Kernel

RELEASE = "6.12.0-mine"
BANNER = f"Linux version {RELEASE} (me@here) (gcc) #1 SMP\n".encode()


def note(owner: bytes = b"Xen\0", kind: int = 18) -> bytes:
    return (
        struct.pack("<3I", len(owner), 8, kind)
        + owner
        + bytes(-len(owner) % 4)
        + struct.pack("<Q", 0x1000000)
    )


def vmlinux(notes: bytes, text: bytes = BANNER, machine: int = 62, segment: int = 4) -> bytes:
    """Return an ELF file with one segment of notes, and a text after it."""
    start = 64 + 56
    header = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<2HI3QI6H", 2, machine, 1, 0x1000000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    program = struct.pack("<2I6Q", segment, 4, start, 0, 0, len(notes), len(notes), 4)
    return header + program + notes + text


def resolve(path: Path, content: bytes, modules: Path | None = None) -> Kernel:
    path.write_bytes(content)
    settings = Settings(path.parent)
    (choice,) = kernels.choose([str(path)], settings=settings, progress=Silent(), modules=modules)
    return choice.fetch()


@pytest.mark.parametrize(
    "notes", [note(), note(b"GNU\0", 3) + note(b"Linux\0", 257) + note()], ids=["alone", "after others"]
)
def test_a_vmlinux_with_an_entry_for_pvh(tmp_path: Path, notes: bytes) -> None:
    kernel = resolve(tmp_path / "vmlinux", vmlinux(notes))
    assert (kernel.release, kernel.image, kernel.modules) == (RELEASE, tmp_path / "vmlinux", None)


@pytest.mark.parametrize(
    "notes", [b"", note(kind=17), note(b"GNU\0")], ids=["no note", "another type", "another owner"]
)
def test_what_a_vmlinux_lacks_is_named(tmp_path: Path, notes: bytes) -> None:
    with pytest.raises(WrongUsage, match=r"has no entry for PVH .*XEN_ELFNOTE_PHYS32_ENTRY") as caught:
        resolve(tmp_path / "vmlinux", vmlinux(notes))
    assert "CONFIG_PVH" in caught.value.hint
    assert "bzImage" in caught.value.hint


def test_notes_are_read_from_segments_of_notes_only(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="PVH"):
        resolve(tmp_path / "vmlinux", vmlinux(note(), segment=1))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (vmlinux(note(), machine=183), "not a kernel for x86-64: its machine is 183"),
        (vmlinux(note(), text=b"hello"), "not a Linux kernel"),
        (b"\x7fELF\x02\x01", "damaged ELF file"),
        (vmlinux(note())[:100], "damaged ELF file"),
    ],
)
def test_another_elf_file_is_rejected(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(WrongUsage, match=said) as caught:
        resolve(tmp_path / "program", content)
    assert "arch/x86/boot/bzImage" in caught.value.hint


def test_modules_can_be_given(tmp_path: Path) -> None:
    modules = tmp_path / "lib/modules" / RELEASE
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    assert resolve(tmp_path / "vmlinux", vmlinux(note()), tmp_path).modules == modules
