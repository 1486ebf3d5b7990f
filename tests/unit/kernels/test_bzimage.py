"""Kernels given as files: the header is read, and other files are rejected with a reason."""

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
    """Return the beginning of a kernel image, up to its release."""
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


def test_a_file_in_the_current_directory_needs_no_slash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bzImage").write_bytes(bzimage())
    assert resolve("bzImage", tmp_path).image == tmp_path / "bzImage"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no x86 setup header"),
        (bzimage()[:0x206], "no x86 setup header"),
        (bzimage(magic=b"hdrs"), "no x86 setup header"),
        (bzimage(version=""), "does not contain its release"),
        (bzimage()[:0x3000], "does not contain its release"),
        (bzimage(pointer=0), "does not contain its release"),
    ],
)
def test_a_file_without_a_valid_header_is_rejected(tmp_path: Path, content: bytes, said: str) -> None:
    image = tmp_path / "image"
    image.write_bytes(content)
    with pytest.raises(WrongUsage, match=said) as caught:
        resolve(str(image), tmp_path)
    assert str(image) in caught.value.fact
    assert "bzImage" in caught.value.hint


@pytest.mark.parametrize(("name", "said"), [("absent", "No such file"), ("", "no kernel in the directory")])
def test_an_unreadable_file_is_reported(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(WrongUsage, match=said):
        resolve(f"{tmp_path}/{name}", tmp_path)


@pytest.mark.parametrize("given", [f"lib/modules/{RELEASE}", "."])
def test_modules_may_be_given_by_their_directory_or_its_root(tmp_path: Path, given: str) -> None:
    image, modules = tmp_path / "bzImage", tmp_path / "lib/modules" / RELEASE
    image.write_bytes(bzimage())
    modules.mkdir(parents=True)
    (modules / "modules.dep").touch()
    assert resolve(str(image), tmp_path, tmp_path / given).modules == modules


@pytest.mark.parametrize(
    ("directory", "said"),
    [("lib/modules/6.1.0", "are not for the kernel release"), ("empty", "no modules.dep")],
)
def test_modules_of_another_kernel_are_rejected(tmp_path: Path, directory: str, said: str) -> None:
    image, modules = tmp_path / "bzImage", tmp_path / directory
    image.write_bytes(bzimage())
    modules.mkdir(parents=True)
    if directory != "empty":
        (modules / "modules.dep").touch()
    with pytest.raises(WrongUsage, match=said):
        resolve(str(image), tmp_path, modules)


def test_modules_are_rejected_for_a_debian_kernel(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"given with '6\.12'"):
        resolve("6.12", tmp_path, tmp_path)


@pytest.mark.parametrize("selector", ["", "six", "v6.12", "6", "bzimage"])
def test_an_unknown_selector_is_rejected_without_the_network(tmp_path: Path, selector: str) -> None:
    with pytest.raises(WrongUsage, match="is not a kernel"):
        resolve(selector, tmp_path)
