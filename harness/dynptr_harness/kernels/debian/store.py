"""Debian kernels in the cache: downloaded by apt and unpacked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.cache import Cache, disk_usage
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.kernels import installed
from dynptr_harness.kernels.debian import apt
from dynptr_harness.kernels.debian.index import ARCHITECTURE
from dynptr_harness.kernels.debian.packages import KernelPackage, from_json, ranked
from dynptr_harness.kernels.model import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

KIND = "kernels"  # kind of cache entry
MACHINE = "x86_64"  # the kernel's name for the architecture
PROVENANCE = "kernel.json"
NEEDED_MIB = 600
UNPACK_DEADLINE = 300.0


def cached(settings: Settings) -> list[KernelPackage]:
    """Return the kernels in the cache, in the order of `ranked`. Damaged entries are left out."""
    found = []
    for entry in Cache(settings.cache).entries(KIND):
        # a damaged entry is built again when it is needed
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            fields = json.loads((entry / PROVENANCE).read_text())["kernel"]
            found.append(replace(from_json(fields), cached=True))
    return ranked(found)


def sizes(kernels: Iterable[KernelPackage], settings: Settings) -> dict[str, int]:
    """Return the bytes on the disk of each cached kernel, by key."""
    home = settings.cache / KIND
    return {each.key: disk_usage(home / each.key) for each in kernels if each.cached}


def fetch(kernel: KernelPackage, settings: Settings, progress: Progress) -> Kernel:
    """Return a kernel. Download and unpack it if the cache does not have it.

    Raises:
        MirrorFailed: it cannot be downloaded.
        EnvironmentFailed: a tool failed, or the packages lack files.
    """

    def build(directory: Path) -> None:
        archive = apt.Archive(settings, ARCHITECTURE)
        with progress.phase(
            f"fetching {kernel.package} {kernel.version} from Debian {kernel.suite}"
        ) as detail:
            with archive.lock():
                archive.download([f"{part.name}={part.version}" for part in kernel.parts], directory)
            detail("unpacking")
            _unpack(kernel, directory)

    entry = Cache(settings.cache).entry(KIND, kernel.key, build, needed_mib=NEEDED_MIB)
    facts = json.loads((entry / PROVENANCE).read_text())
    return Kernel(
        release=kernel.release,
        arch=MACHINE,
        image=entry / "vmlinuz",
        modules=entry / "usr/lib/modules" / kernel.release,
        sha256=facts["image_sha256"],
        package=kernel.package,
        package_version=kernel.version,
        origin=f"Debian {kernel.suite}",
    )


def _unpack(kernel: KernelPackage, directory: Path) -> None:
    """Unpack .deb files to vmlinuz, config, usr/lib/modules/RELEASE and the provenance."""
    release = kernel.release
    tree = directory / "tree"
    for deb in sorted(directory.glob("*.deb")):
        subprocesses.run(
            ["dpkg-deb", "--extract", deb, tree], what=f"unpacking {deb.name}", deadline=UNPACK_DEADLINE
        )
        deb.unlink()
    try:
        installed.settle(tree, directory, release)
    except KeyError:
        raise EnvironmentFailed(f"the packages of {release} have no kernel image") from None
    shutil.rmtree(tree)
    with (directory / "vmlinuz").open("rb") as image:
        digest = hashlib.file_digest(image, "sha256").hexdigest()
    facts = {"kernel": asdict(replace(kernel, cached=True)), "image_sha256": digest}
    (directory / PROVENANCE).write_text(json.dumps(facts, indent=1))
