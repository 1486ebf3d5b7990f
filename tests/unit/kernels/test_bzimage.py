"""A kernel given as a file: recognised by its header, or refused with what is wrong."""

from __future__ import annotations

import hashlib
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

RELEASE = "6.12.0-rc1-mine+"


def bzimage(
    version: str = f"{RELEASE} (me@here) #1 SMP", magic: bytes = b"HdrS", pointer: int = 0x3000
) -> bytes:
    """As much of a kernel image as names its release."""
    image = bytearray(0x4000)
    text = version.encode() + b"\0"
    image[pointer + 0x200 : pointer + 0x200 + len(text)] = text
    image[0x202:0x206] = magic
    struct.pack_into("<H", image, 0x20E, pointer)
    return bytes(image)


def resolve(selector: str, tmp_path: Path, modules: Path | None = None) -> Kernel:
    (choice,) = kernels.choose([selector], settings=Settings(tmp_path), progress=Silent(), modules=modules)
    return choice.fetch()


def test_the_release_is_read_from_the_header(tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(bzimage())
    kernel = resolve(str(image), tmp_path)
    assert (kernel.release, kernel.series, kernel.arch) == (RELEASE, "6.12", "x86_64")
    assert kernel.sha256 == hashlib.sha256(bzimage()).hexdigest()
    assert (kernel.image, kernel.origin, kernel.modules, kernel.package) == (image, str(image), None, None)


def test_a_file_in_the_current_folder_needs_no_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bzImage").write_bytes(bzimage())
    assert resolve("bzImage", tmp_path).image == tmp_path / "bzImage"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x7fELF" + bytes(0x1000), "no x86 setup header"),
        (b"", "no x86 setup header"),
        (bzimage()[:0x206], "no x86 setup header"),
        (bzimage(magic=b"hdrs"), "no x86 setup header"),
        (bzimage(version=""), "does not say which release"),
        (bzimage()[:0x3000], "does not say which release"),
        (bzimage(pointer=0), "does not say which release"),
    ],
)
def test_what_is_not_a_kernel_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(content)
    with pytest.raises(WrongUsage, match=said) as caught:
        resolve(str(image), tmp_path)
    assert str(image) in caught.value.fact
    assert "bzImage" in caught.value.hint


@pytest.mark.parametrize(("name", "said"), [("absent", "No such file"), ("", "Is a directory")])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(WrongUsage, match=said):
        resolve(f"{tmp_path}/{name}", tmp_path)


@pytest.mark.parametrize("given", [f"lib/modules/{RELEASE}", "."])
def test_modules_are_a_folder_of_the_release_or_the_tree_that_has_it(tmp_path: Path, given: str) -> None:
    image, modules = tmp_path / "bzImage", tmp_path / "lib/modules" / RELEASE
    image.write_bytes(bzimage())
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    assert resolve(str(image), tmp_path, tmp_path / given).modules == modules


@pytest.mark.parametrize(
    ("folder", "said"),
    [("lib/modules/6.1.0", "are not of the kernel's release"), ("empty", "no modules.dep")],
)
def test_modules_of_another_kernel_are_refused(tmp_path: Path, folder: str, said: str) -> None:
    image, modules = tmp_path / "bzImage", tmp_path / folder
    image.write_bytes(bzimage())
    modules.mkdir(parents=True)
    if folder != "empty":
        (modules / "modules.dep").touch()
    with pytest.raises(WrongUsage, match=said):
        resolve(str(image), tmp_path, modules)


def test_modules_go_with_a_file_only(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"given with '6\.12'"):
        resolve("6.12", tmp_path, tmp_path)


@pytest.mark.parametrize("selector", ["", "six", "v6.12", "6", "bzimage"])
def test_what_cannot_be_a_kernel_is_refused_without_asking_a_mirror(tmp_path: Path, selector: str) -> None:
    with pytest.raises(WrongUsage, match="is not a kernel"):
        resolve(selector, tmp_path)
