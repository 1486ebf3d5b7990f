"""Kernels from container images."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core.errors import EnvironmentFailed, HarnessError, WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.kernels import container_image

from tests.docker import command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker import DockerClient
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel

    Layout = Callable[[Kernel], dict[str, Path | bytes]]


def image_of(client: DockerClient, name: str, content: dict[str, Path | bytes]) -> str:
    """Import an image with these files and directories, by path, and return its selector."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, source in content.items():
            if isinstance(source, bytes):
                member = tarfile.TarInfo(path)
                member.size = len(source)
                tar.addfile(member, io.BytesIO(source))
            else:
                tar.add(source, path)
    client.api.import_image_from_data(archive.getvalue(), repository="tests/kernel", tag=name)
    return f"oci:tests/kernel:{name}"


def modules_of(kernel: Kernel) -> Path:
    assert kernel.modules
    return kernel.modules


def usual_layout(kernel: Kernel) -> dict[str, Path | bytes]:
    return {
        f"boot/vmlinuz-{kernel.release}": kernel.image,
        f"boot/config-{kernel.release}": b"CONFIG_BPF=y\n",
        f"lib/modules/{kernel.release}": modules_of(kernel),
    }


def own_directory(kernel: Kernel) -> dict[str, Path | bytes]:
    """Return a kernel next to its modules, without the index of depmod."""
    return {
        "kernel/bzImage": kernel.image,
        f"kernel/lib/modules/{kernel.release}/kernel": modules_of(kernel) / "kernel",
    }


@pytest.mark.parametrize("layout", [usual_layout, own_directory])
def test_a_kernel_from_an_image_boots_and_is_recorded_by_digest(
    layout: Layout, client: DockerClient, settings: Settings, kernel: Kernel, tmp_path: Path
) -> None:
    selector = image_of(client, tmp_path.name, layout(kernel))
    found = container_image.fetch(selector, settings, Silent())
    assert (found.release, found.sha256) == (kernel.release, kernel.sha256)
    assert str(client.images.get(selector.removeprefix("oci:")).id) in found.origin
    arguments = ("--kernel", selector, "--prog-type", "SYSCALL", "--case", "ATT*", "--no-snapshot")
    status, out, err = command.run("run", *arguments, folder=tmp_path)
    assert status == 0, err
    assert "3 cells planned, 3 run" in out


def test_an_image_is_extracted_once(client: DockerClient, settings: Settings, kernel: Kernel) -> None:
    selector = image_of(client, "once", usual_layout(kernel))
    first = container_image.fetch(selector, settings, Silent())
    before = first.image.stat().st_ino
    assert container_image.fetch(selector, settings, Silent()).image.stat().st_ino == before
    assert client.containers.list(all=True) == []


def without_kernel(_kernel: Kernel) -> dict[str, Path | bytes]:
    return {"boot/vmlinuz": b"this is not a kernel"}


def with_two_kernels(kernel: Kernel) -> dict[str, Path | bytes]:
    return {"boot/vmlinuz-1": kernel.image, "boot/vmlinuz-2": kernel.image.read_bytes() + b"changed"}


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (without_kernel, "there is no kernel in the image"),
        (with_two_kernels, "boot/vmlinuz-1, boot/vmlinuz-2"),
    ],
)
def test_an_image_must_have_exactly_one_kernel(
    content: Layout, fact: str, client: DockerClient, settings: Settings, kernel: Kernel, tmp_path: Path
) -> None:
    selector = image_of(client, tmp_path.name, content(kernel))
    with pytest.raises(WrongUsage, match=fact):
        container_image.fetch(selector, settings, Silent())
    assert client.containers.list(all=True) == []


@pytest.mark.parametrize(
    ("selector", "kind", "fact"),
    [
        ("oci:", WrongUsage, "names no image"),
        ("oci:NOT A NAME", WrongUsage, "is not the name of an image"),
        ("oci:localhost:1/kernel:1", EnvironmentFailed, "pulling localhost:1/kernel:1 failed"),
    ],
)
def test_an_unavailable_image_is_one_error(
    selector: str, kind: type[HarnessError], fact: str, settings: Settings
) -> None:
    with pytest.raises(kind, match=fact):
        container_image.fetch(selector, settings, Silent())
