"""Fixtures of the tests with a container engine. Every test in this directory is marked `docker`.

No registry is used: mmdebstrap builds the base image from this machine's mirror.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
from dynptr_harness import kernels
from dynptr_harness.containers import image
from dynptr_harness.core import subprocesses
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import rootfs
from dynptr_harness.kernels.debian import apt

from tests.docker import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from dynptr_harness.kernels.model import Kernel

BASE = "dynptr-harness-tests:base"
BASE_DEADLINE = 300.0
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.docker)
            item.add_marker(pytest.mark.xdist_group("docker"))  # one engine and its images for all


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Start a private engine, set DOCKER_HOST and return its address."""
    if reason := engine.obstacle():
        pytest.skip(f"NOT TESTED with containers: {reason}")
    # not below pytest's directory, because the path of a socket has at most 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="dynptr-docker-", dir="/var/tmp"))
    with pytest.MonkeyPatch.context() as patch, engine.running(folder) as started:
        patch.setenv("DOCKER_HOST", started)
        patch.setenv("DYNPTR_HARNESS_BASE_IMAGE", BASE)
        yield started


@pytest.fixture(scope="session")
def client(address: str) -> Iterator[DockerClient]:
    client = docker.DockerClient(address, timeout=600)
    yield client
    client.close()


@pytest.fixture(scope="session")
def settings(address: str) -> Settings:  # noqa: ARG001  (it is in the environment)
    return Settings.from_environment()


@pytest.fixture(scope="session")
def base(client: DockerClient, settings: Settings) -> str:
    """Build a small Debian image with the apt options and certificates of this machine."""

    def build(folder: Path) -> None:
        argv = [
            *("mmdebstrap", "--variant=minbase", "--mode=root", "--skip=chroot/mount,output/dev"),
            *("--include=ca-certificates", f"--keyring={apt.KEYRING}"),
            *(f"--aptopt={option}" for option in apt.host_options()),
            f"--customize-hook=copy-in {CERTIFICATES} {CERTIFICATES.parent}",
            *("trixie", str(folder / "base.tar"), apt.mirror(settings).main),
        ]
        subprocesses.run(argv, what="making the base image of the tests", deadline=BASE_DEADLINE)

    archive = Cache(settings.cache).entry("test-base", "trixie-1", build) / "base.tar"
    repository, _, tag = BASE.partition(":")
    client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
    return BASE


@pytest.fixture(scope="session")
def harness_image(client: DockerClient, settings: Settings, base: str) -> str:  # noqa: ARG001  (built on it)
    """Build the image of this tree."""
    return image.ensure(client, settings, Silent())


@pytest.fixture(scope="session")
def kernel(settings: Settings) -> Kernel:
    (choice,) = kernels.choose(["6.12"], settings=settings, progress=Silent())
    return choice.fetch()


@pytest.fixture
def cache(tmp_path: Path, settings: Settings, kernel: Kernel) -> Path:
    """Return a new cache with copies of the kernel and the guest image."""
    guest_image = rootfs.ensure(settings, Silent()).root.parent
    for entry in (kernel.image.parent, guest_image):
        shutil.copytree(entry, tmp_path / "cache" / entry.relative_to(settings.cache), symlinks=True)
    return tmp_path / "cache"
