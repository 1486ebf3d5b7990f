"""The guest's root file system: Debian packages unpacked by mmdebstrap and packed into one erofs image."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING
from urllib.parse import unquote

from harness import apt, process
from harness.cache import Cache
from harness.guest_image import erofs
from harness.guest_image.model import GuestImage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.progress import Progress
    from harness.settings import Settings

KIND = "guest-root"  # of cache entry
SUITE = "trixie"
ARCHITECTURE = "amd64"
PACKAGES = (
    "base-files",  # the links /bin, /lib, /lib64, /sbin and the mount points
    "busybox-static",  # the tools of the initramfs, and a shell
    "iproute2",
    "kmod",
    "python3-bpfcc",
    "python3-pyroute2",
)
# Never read in the guest; resolv.conf and hostname are the host's and would differ from host to host.
LEFT_OUT = (
    "./boot",
    "./etc/apt",
    "./etc/hostname",
    "./etc/resolv.conf",
    "./usr/lib/python3.*/test",
    "./usr/share/doc",
    "./usr/share/info",
    "./usr/share/locale",
    "./usr/share/man",
    "./usr/share/perl5",
    "./usr/share/zoneinfo",
    "./var",
)
MOUNT_POINTS = ("dev", "mnt", "payload", "proc", "run", "sys", "tmp")
RECIPE_VERSION = 1  # raise it when this module makes something else of the same packages

ROOM_MIB = 1200
MMDEBSTRAP_DEADLINE = 1200.0
TOOL_DEADLINE = 300.0
# With these, two builds from the same packages are equal byte by byte.
BUILD_ENVIRONMENT = {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0"}
# Unchecked: the image is read-only, and its files have no times of their own to compare.
COMPILE_BYTECODE = (
    "python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.13"
)
PACKAGE_LISTING = "packages"


def ensure(settings: Settings, progress: Progress) -> GuestImage:
    """Return the guest image, made first where the cache does not have it.

    Needs root, or a user that may use user namespaces (mmdebstrap's own condition). Raises
    EnvironmentFailed when a tool or the mirror fails, or when there is no room on the disk.
    """

    def build(folder: Path) -> None:
        with progress.phase(f"building the guest image from Debian {SUITE}") as detail:
            _build(folder, settings, detail)

    key = image_key()
    entry = Cache(settings.cache).entry(KIND, key, build, room_mib=ROOM_MIB)
    return GuestImage(
        root=entry / "root.erofs",
        busybox=entry / "busybox",
        packages=json.loads((entry / "packages.json").read_text()),
        key=key,
    )


def is_cached(settings: Settings) -> bool:
    """Whether `ensure` would find the guest image made."""
    return image_key() in (entry.name for entry in Cache(settings.cache).entries(KIND))


def image_key() -> str:
    """What the image is made of, and how; the mirror does not matter."""
    recipe = [SUITE, ARCHITECTURE, RECIPE_VERSION, PACKAGES, LEFT_OUT, MOUNT_POINTS, COMPILE_BYTECODE]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]


def _build(folder: Path, settings: Settings, detail: Callable[[str], None]) -> None:
    archive, tree = folder / "root.tar", folder / "tree"
    _bootstrap(archive, settings, detail)
    detail("unpacking")
    tree.mkdir()
    excludes = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    unpack = ["tar", "-xpf", str(archive), "-C", str(tree), "--no-same-owner", *excludes]
    process.run(unpack, what="unpacking the guest image", deadline=TOOL_DEADLINE)
    archive.unlink()
    for name in MOUNT_POINTS:
        (tree / name).mkdir(exist_ok=True)
    listing = tree / PACKAGE_LISTING
    versions = _versions(listing.read_text())
    listing.unlink()
    shutil.copy(tree / "usr/bin/busybox", folder / "busybox")
    detail("packing")
    erofs.write(folder / "root.erofs", tree)
    shutil.rmtree(tree)
    (folder / "packages.json").write_text(json.dumps(versions, indent=1))


def _bootstrap(archive: Path, settings: Settings, detail: Callable[[str], None]) -> None:
    """Let mmdebstrap unpack the packages, without running their scripts, into a tar file."""

    def heard(line: str) -> None:
        if line.endswith("...") and "/" not in line:  # the stages of the work, without its temporary names
            detail(line.removeprefix("I: ").removesuffix("..."))

    # A normal user's mmdebstrap works in a user namespace, whose root cannot reach into a home folder.
    workplace = archive.parent if os.geteuid() == 0 else "/var/tmp"  # noqa: S108  (mmdebstrap makes its own)
    options = ['APT::Sandbox::User "root"', *apt.host_options()]
    process.run(
        [
            *("mmdebstrap", "--variant=extract", f"--include={','.join(PACKAGES)}"),
            *(f"--architectures={ARCHITECTURE}", f"--keyring={apt.KEYRING}", "--skip=output/dev"),
            # Mounts of the host's /proc, /sys and /dev/shm would outlive a kill -9, for someone to delete.
            "--skip=chroot/mount",
            *(f"--aptopt={option}" for option in options),
            f'--extract-hook=ls "$1/var/cache/apt/archives" > "$1/{PACKAGE_LISTING}"',
            f'--extract-hook=chroot "$1" {COMPILE_BYTECODE}',
            *(SUITE, str(archive), apt.mirror(settings).main),
        ],
        what="fetching and unpacking the packages of the guest image",
        deadline=MMDEBSTRAP_DEADLINE,
        env={**BUILD_ENVIRONMENT, "TMPDIR": str(workplace)},
        on_line=heard,
    )


def _versions(listing: str) -> dict[str, str]:
    """Package versions from the names of .deb files: NAME_VERSION_ARCHITECTURE.deb, with ':' as %3a."""
    fields = (name.split("_") for name in listing.split() if name.endswith(".deb"))
    return {name: unquote(version) for name, version, _architecture in fields}
