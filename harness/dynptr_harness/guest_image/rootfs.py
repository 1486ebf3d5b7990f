"""The guest's root file system: Debian packages, unpacked by mmdebstrap, in an erofs image."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dynptr_harness.core import subprocesses
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.guest_image import erofs
from dynptr_harness.guest_image.model import GuestImage
from dynptr_harness.kernels.debian import apt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

KIND = "guest-root"  # kind of cache entry
SUITE = "trixie"
ARCHITECTURE = "amd64"
PACKAGES = (
    "base-files",  # the links /bin, /lib, /lib64, /sbin, and the mount points
    "bpftool",  # for interactive shells, like ncurses-base
    "busybox-static",  # the tools of the initramfs, and a shell
    "iproute2",
    "kmod",
    "ncurses-base",
    "python3-bpfcc",
    "python3-pyroute2",
)
# Not needed in the guest. resolv.conf and hostname come from the host and differ between hosts.
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
RECIPE_VERSION = 1  # raise it if this module builds a different image from the same packages

NEEDED_MIB = 1200
MMDEBSTRAP_DEADLINE = 1200.0
TOOL_DEADLINE = 300.0
# With these variables, two builds from the same packages are equal byte by byte.
BUILD_ENVIRONMENT = {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0"}
# unchecked-hash: the image is read-only, and its files have no modification times. sitecustomize is a link to
# a file in /etc, which is the host's during the build.
COMPILE_BYTECODE = (
    *("-B", "-S", "-m", "compileall", "-q"),
    *("--invalidation-mode", "unchecked-hash", "-x", "sitecustomize"),
)
LOADER, LIBRARIES = "usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"
PACKAGE_LISTING = "packages"


def ensure(settings: Settings, progress: Progress) -> GuestImage:
    """Return the guest image. Build it if it is not cached, in a container if mmdebstrap is not installed.

    The build needs no privileges.

    Raises:
        EnvironmentFailed: a tool or the mirror failed, or the disk is full.
    """

    def build(directory: Path) -> None:
        with progress.phase(f"building the guest image from Debian {SUITE}") as detail:
            _build(directory, settings, detail)

    key = image_key()
    if settings.offline and not is_cached(settings):
        raise EnvironmentFailed(
            "the guest image is not in the cache, and fetching is disabled",
            f"run `dynptr-harness setup` beforehand, {apt.OFFLINE_HINT}",
        )
    if not is_cached(settings) and not subprocesses.find_tool("mmdebstrap"):
        _build_in_container(settings, progress)
    entry = Cache(settings.cache).entry(KIND, key, build, needed_mib=NEEDED_MIB)
    return GuestImage(
        root=entry / "root.erofs",
        busybox=entry / "busybox",
        packages=json.loads((entry / "packages.json").read_text()),
        key=key,
    )


def is_cached(settings: Settings) -> bool:
    """Return True if the guest image is in the cache."""
    return image_key() in (entry.name for entry in Cache(settings.cache).entries(KIND))


def image_key() -> str:
    """Return a hash of the recipe of the image. The mirror does not matter."""
    recipe = [SUITE, ARCHITECTURE, RECIPE_VERSION, PACKAGES, LEFT_OUT, MOUNT_POINTS, COMPILE_BYTECODE]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:16]


def _build_in_container(settings: Settings, progress: Progress) -> None:
    """Build the image in a container, which has all tools and shares the cache."""
    from dynptr_harness.containers import rerun  # slow to import, and few hosts need it

    try:
        status = rerun.run(
            [], module="dynptr_harness.cli.build_image", files=[], settings=settings, progress=progress
        )
    except EnvironmentFailed as failed:
        hint = "run `make setup`, which installs it, or start a container engine"
        raise EnvironmentFailed(f"mmdebstrap is not installed, and {failed.fact}", hint) from failed
    if status:
        raise EnvironmentFailed("the guest image could not be built in a container: see above")


def _build(directory: Path, settings: Settings, detail: Callable[[str], None]) -> None:
    archive, tree = directory / "root.tar", directory / "tree"
    _bootstrap(archive, settings, detail)
    detail("unpacking")
    tree.mkdir()
    excludes = [f"--exclude={pattern}" for pattern in LEFT_OUT]
    unpack = ["tar", "-xpf", str(archive), "-C", str(tree), "--no-same-owner", *excludes]
    subprocesses.run(unpack, what="unpacking the guest image", deadline=TOOL_DEADLINE)
    archive.unlink()
    for name in MOUNT_POINTS:
        (tree / name).mkdir(exist_ok=True)
        (tree / name).chmod(0o755)
    _compile_bytecode(tree)
    listing = tree / PACKAGE_LISTING
    versions = _versions(listing.read_text())
    listing.unlink()
    shutil.copy(tree / "usr/bin/busybox", directory / "busybox")
    detail("packing")
    erofs.write(directory / "root.erofs", tree)
    shutil.rmtree(tree)
    (directory / "packages.json").write_text(json.dumps(versions, indent=1))


def _bootstrap(archive: Path, settings: Settings, detail: Callable[[str], None]) -> None:
    """Unpack the packages with mmdebstrap into a tar file, without running their scripts."""

    def show_line(line: str) -> None:
        if line.endswith("...") and "/" not in line:  # the stages of the work
            detail(line.removeprefix("I: ").removesuffix("..."))

    options = ['APT::Sandbox::User "root"', *apt.host_options()]
    subprocesses.run(
        [
            *("mmdebstrap", "--variant=extract", f"--include={','.join(PACKAGES)}"),
            *(f"--architectures={ARCHITECTURE}", f"--keyring={apt.KEYRING}", "--skip=output/dev"),
            # Unpacking needs neither root nor a namespace, which containers lack. Owners do not matter. The
            # skipped check is about scripts of packages, which are not run.
            *("--mode=chrootless", "--skip=check/chrootless"),
            *(f"--aptopt={option}" for option in options),
            f'--extract-hook=ls "$1/var/cache/apt/archives" > "$1/{PACKAGE_LISTING}"',
            *(SUITE, str(archive), *_mirror(settings)),
        ],
        what="fetching and unpacking the packages of the guest image",
        deadline=MMDEBSTRAP_DEADLINE,
        env={**BUILD_ENVIRONMENT, "TMPDIR": str(archive.parent)},
        on_line=show_line,
    )


def _mirror(settings: Settings) -> list[str]:
    """Return the mirror, or nothing if the host is not Debian: mmdebstrap then uses its default."""
    try:
        return [apt.mirror(settings).main]
    except EnvironmentFailed:
        return []


def _compile_bytecode(tree: Path) -> None:
    """Compile the libraries with the image's Python and loader. chroot would need root."""
    libraries = sorted((tree / "usr/lib").glob("python3*"))
    subprocesses.run(
        [
            *(str(tree / LOADER), "--library-path", str(tree / LIBRARIES)),
            *(str(tree / "usr/bin/python3"), *COMPILE_BYTECODE),
            *("-s", str(tree), "-p", "/", *map(str, libraries)),
        ],
        what="compiling the guest image's Python libraries",
        deadline=TOOL_DEADLINE,
        env={**BUILD_ENVIRONMENT, "PYTHONHOME": str(tree / "usr"), "PYTHONPATH": ""},
    )


def _versions(listing: str) -> dict[str, str]:
    """Return package versions from names of .deb files: NAME_VERSION_ARCHITECTURE.deb, with ':' as %3a."""
    fields = (name.split("_") for name in listing.split() if name.endswith(".deb"))
    return {name: unquote(version) for name, version, _architecture in fields}
