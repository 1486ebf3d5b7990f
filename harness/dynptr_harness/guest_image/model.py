"""What a kernel boots: the guest image shared by all kernels, and the files of one boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class GuestImage:
    """The read-only root file system that every kernel boots.

    Attributes:
        root: erofs image of a Debian root with BCC, libbpf, clang's libraries, Python and pyroute2.
        busybox: a static busybox taken from the same packages, for the initramfs.
        packages: version of every package in the root, by name.
        key: changes whenever the content could.
    """

    root: Path
    busybox: Path
    packages: Mapping[str, str]
    key: str


@dataclass(frozen=True)
class BootFiles:
    """Everything QEMU needs to boot one kernel into the agent.

    The disks are attached read-only, in this order, and found by the guest by that order:
    vda root, vdb payload (agent and C programs), vdc modules (absent when everything is built in).

    Attributes:
        key: changes whenever the content of any of them could.
    """

    kernel: Path
    initramfs: Path
    root: Path
    payload: Path
    modules: Path | None
    key: str

    @property
    def disks(self) -> tuple[Path, ...]:
        """The disk images in the order in which the guest expects them."""
        return (self.root, self.payload, *((self.modules,) if self.modules else ()))
