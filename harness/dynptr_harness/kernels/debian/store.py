"""Debian's kernels on this machine's disk: fetched by apt, unpacked into the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.cache import Cache, room_taken
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.kernels.debian import apt
from dynptr_harness.kernels.debian.index import ARCHITECTURE
from dynptr_harness.kernels.debian.packages import KernelPackage, from_json, ranked
from dynptr_harness.kernels.model import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

KIND = "kernels"  # of cache entry
MACHINE = "x86_64"  # the kernel's name of the architecture
PROVENANCE = "kernel.json"
ROOM_MIB = 600
UNPACK_DEADLINE = 300.0


def cached(settings: Settings) -> list[KernelPackage]:
    """The kernels on this machine's disk, as far as they say what they are; in the order of `ranked`."""
    found = []
    for entry in Cache(settings.cache).entries(KIND):
        # a damaged entry is made anew when it is wanted
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            fields = json.loads((entry / PROVENANCE).read_text())["kernel"]
            found.append(replace(from_json(fields), cached=True))
    return ranked(found)


def sizes(kernels: Iterable[KernelPackage], settings: Settings) -> dict[str, int]:
    """Bytes that each takes on the disk, by key; of those that are there."""
    home = settings.cache / KIND
    return {each.key: room_taken(home / each.key) for each in kernels if each.cached}


def fetch(kernel: KernelPackage, settings: Settings, progress: Progress) -> Kernel:
    """The kernel on disk, downloaded and unpacked first where the cache does not have it.

    Raises MirrorFailed when it cannot be downloaded, EnvironmentFailed when it is not what it should be.
    """

    def build(folder: Path) -> None:
        archive = apt.Archive(settings, ARCHITECTURE)
        with progress.phase(
            f"fetching {kernel.package} {kernel.version} from Debian {kernel.suite}"
        ) as detail:
            with archive.lock():
                archive.download([f"{part.name}={part.version}" for part in kernel.parts], folder)
            detail("unpacking")
            _unpack(kernel, folder)

    entry = Cache(settings.cache).entry(KIND, kernel.key, build, room_mib=ROOM_MIB)
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


def _unpack(kernel: KernelPackage, folder: Path) -> None:
    """From the .deb files in a folder make vmlinuz, config, usr/lib/modules/RELEASE and the provenance."""
    release = kernel.release
    tree = folder / "tree"
    for deb in sorted(folder.glob("*.deb")):
        subprocesses.run(
            ["dpkg-deb", "--extract", deb, tree], what=f"unpacking {deb.name}", deadline=UNPACK_DEADLINE
        )
        deb.unlink()
    (folder / "usr/lib/modules").mkdir(parents=True)
    (folder / "lib").symlink_to("usr/lib")  # depmod and modprobe look in either, by their version
    modules = folder / "usr/lib/modules" / release
    _first(tree / "usr/lib/modules" / release, tree / "lib/modules" / release).rename(modules)
    _first(tree / f"boot/vmlinuz-{release}", modules / "vmlinuz").rename(folder / "vmlinuz")
    for config in (tree / f"boot/config-{release}", modules / "config"):
        if config.exists():
            config.rename(folder / "config")
    (modules / "System.map").unlink(missing_ok=True)  # large, and the guest has /proc/kallsyms
    shutil.rmtree(tree)
    subprocesses.run(
        ["depmod", "-b", folder, release], what=f"indexing modules of {release}", deadline=UNPACK_DEADLINE
    )
    with (folder / "vmlinuz").open("rb") as image:
        digest = hashlib.file_digest(image, "sha256").hexdigest()
    facts = {"kernel": asdict(replace(kernel, cached=True)), "image_sha256": digest}
    (folder / PROVENANCE).write_text(json.dumps(facts, indent=1))


def _first(*places: Path) -> Path:
    for place in places:
        if place.exists():
            return place
    raise EnvironmentFailed(f"the kernel's packages have none of {', '.join(map(str, places))}")
