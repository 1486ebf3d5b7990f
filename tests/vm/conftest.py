"""Fixtures of the VM tests: a kernel and the guest image, from the cache of the command.

Every test in this directory is marked `vm`. The tests of a file run on one xdist worker, because they share
machines.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness import kernels
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import boot_files, rootfs
from dynptr_harness.vm.kvm_probe import choose

if TYPE_CHECKING:
    from dynptr_harness.guest_image.model import BootFiles, GuestImage
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.accelerator import Accelerator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.vm)
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings.from_environment()


@pytest.fixture(scope="session")
def kernel(settings: Settings) -> Kernel:
    (choice,) = kernels.choose(["6.12"], settings=settings, progress=Silent())
    return choice.fetch()


@pytest.fixture(scope="session")
def image(settings: Settings) -> GuestImage:
    return rootfs.ensure(settings, Silent())


@pytest.fixture(scope="session")
def stub_files(kernel: Kernel, image: GuestImage, settings: Settings) -> BootFiles:
    """Return the boot files with the stub agent in place of the agent."""
    stub = {"dynptr_harness/guest": Path(__file__).with_name("stub_agent")}
    return boot_files.files(kernel, image, settings=settings, progress=Silent(), replaced=stub)


@pytest.fixture(scope="session")
def accelerator(stub_files: BootFiles, settings: Settings) -> Accelerator:
    """Return KVM if it works, otherwise TCG."""
    return choose(stub_files, settings=settings)
