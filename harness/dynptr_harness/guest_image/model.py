"""The guest image, which all kernels share, and the files of a boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class GuestImage:
    """The read-only root file system of all kernels.

    Attributes:
        root: erofs image of a Debian system with BCC, libbpf, clang's libraries, Python and pyroute2.
        busybox: a static busybox from the same packages, for the initramfs.
        packages: versions of the packages, by name.
        key: hash of everything that determines the content.
    """

    root: Path
    busybox: Path
    packages: Mapping[str, str]
    key: str


@dataclass(frozen=True)
class BootFiles:
    """The files that QEMU needs to boot a kernel with the agent.

    The guest finds its read-only disks by their order: vda is the root, vdb the payload (agent and C
    programs), and vdc the modules, if there are any.

    Attributes:
        key: hash of everything that determines the content.
    """

    kernel: Path
    initramfs: Path
    root: Path
    payload: Path
    modules: Path | None
    key: str

    @property
    def disks(self) -> tuple[Path, ...]:
        """The disk images in the order that the guest expects."""
        return (self.root, self.payload, *((self.modules,) if self.modules else ()))
