"""A kernel: what can be booted, and the provenance that makes a result repeatable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_version import KernelVersion

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Kernel:
    """A kernel on this machine's disk, ready to boot.

    Attributes:
        release: what `uname -r` says in the guest, e.g. '6.12.117+deb13-cloud-amd64'; for a kernel
            given as a file, the release read from its header.
        arch: what `uname -m` says in the guest, e.g. 'x86_64'.
        image: the bzImage.
        modules: the folder that holds modules.dep (…/lib/modules/RELEASE), or None where everything
            needed is built in.
        sha256: of `image`, in hex.
        package: name of the Debian package the image came in, or None.
        package_version: its version, or None.
        origin: for people: 'Debian trixie-security', or the path that was given.
    """

    release: str
    arch: str
    image: Path
    modules: Path | None
    sha256: str
    package: str | None = None
    package_version: str | None = None
    origin: str = ""

    @property
    def series(self) -> str:
        """The kernel's series, e.g. '6.12'."""
        return KernelVersion(self.release).series
