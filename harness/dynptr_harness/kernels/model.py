"""A kernel and its origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_version import KernelVersion

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Kernel:
    """A kernel on the disk.

    Attributes:
        release: `uname -r` of the guest: '6.12.117+deb13-cloud-amd64'.
        arch: `uname -m` of the guest: 'x86_64'.
        image: the bzImage, or a vmlinux with an entry for PVH.
        modules: directory with modules.dep (…/lib/modules/RELEASE). None if everything needed is built in.
        sha256: hash of the image, in hex.
        package: name of the Debian package of the image, or None.
        package_version: version of this package, or None.
        origin: description of the origin: 'Debian trixie-security', or the path of the file.
        config: its configuration. None if unknown.
    """

    release: str
    arch: str
    image: Path
    modules: Path | None
    sha256: str
    package: str | None = None
    package_version: str | None = None
    origin: str = ""
    config: Path | None = None

    @property
    def series(self) -> str:
        """The series, such as '6.12'."""
        return KernelVersion(self.release).series
