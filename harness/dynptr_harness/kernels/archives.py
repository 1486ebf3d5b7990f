"""Packages and tars with kernels: their contents, and how to unpack them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels.installed import Contents

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.core.settings import Settings

DEB, RPM = ".deb", ".rpm"
PACKAGES = (DEB, RPM)
# What `make tar-pkg`, `targz-pkg`, `tarbz2-pkg`, `tarxz-pkg` and `tarzst-pkg` write.
TARS = (".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tgz")

# The first bytes of packages. A tar has none; bsdtar recognises it.
MAGIC = {DEB: b"!<arch>\ndebian-binary", RPM: b"\xed\xab\xee\xdb"}

# Parts of the names of packages that belong to a kernel and are not needed to boot it.
OTHER_PARTS = ("-dbg", "-debug", "-devel", "-doc", "-headers", "-libc-dev", "-source", "-tools", "-dbgsym")
PART = re.compile(r"linux-(?:binary|modules)-\S+")  # a package that linux-image depends on

KIND = "package-contents"  # kind of cache entry
LIST_DEADLINE, UNPACK_DEADLINE = 120.0, 300.0
NOT_UNPACKED = ("usr/src", "usr/share", "usr/lib/debug")


def suffix_of(name: str) -> str:
    """Return the suffix of a package or tar, or '' for another name."""
    return next((each for each in (*PACKAGES, *TARS) if name.endswith(each)), "")


def is_kernel_package(path: Path) -> bool:
    """Return True if a file in a directory is a package that can have files of a kernel, by its name."""
    named = path.name.startswith(("linux-", "kernel"))
    return named and path.name.endswith(PACKAGES) and not any(part in path.name for part in OTHER_PARTS)


def stamp(path: Path) -> str:
    """Return a hash of path, size and time of a file: the key of its contents."""
    state = path.stat()
    text = f"{path.absolute()} {state.st_size} {state.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Package:
    """A package or tar.

    Attributes:
        contents: the kernels in it.
        name: name of a .deb, otherwise ''.
        needs: the packages with a part of the same kernel that a .deb depends on.
    """

    contents: Contents
    name: str = ""
    needs: tuple[str, ...] = ()


def read(path: Path, settings: Settings) -> Package:
    """Return what a package or tar has. The answer is cached.

    Raises:
        WrongUsage: the file cannot be read, or is not of the kind that its name says.
        EnvironmentFailed: a tool failed or is not installed.
    """
    _check(path)

    def build(directory: Path) -> None:
        package = Package(Contents.of(_names(path)), *_control(path))
        (directory / "package.json").write_text(json.dumps(asdict(package)))

    entry = Cache(settings.cache).entry(KIND, stamp(path), build)
    fields = json.loads((entry / "package.json").read_text())
    return Package(Contents(**fields["contents"]), fields["name"], tuple(fields["needs"]))


def unpack(path: Path, tree: Path) -> None:
    """Unpack a package or tar into a directory. Raises EnvironmentFailed."""
    tree.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(DEB):
        command: list[str | Path] = ["dpkg-deb", "--extract", path.absolute(), tree]
    else:
        skipped = [word for name in NOT_UNPACKED for word in ("--exclude", f"{name}/*")]
        # Of a package that root unpacks, owners and set-user-ID bits would be restored.
        command = ["bsdtar", "-xof", path.absolute(), "-C", tree, "--no-same-permissions", *skipped]
    subprocesses.run(command, what=f"unpacking {path.name}", deadline=UNPACK_DEADLINE)


def _check(path: Path) -> None:
    expected = MAGIC.get(suffix_of(path.name), b"")
    try:
        with path.open("rb") as file:
            begins = file.read(len(expected))
    except OSError as error:
        raise WrongUsage(
            f"cannot read the package {path}: {error.strerror}", "give an existing file"
        ) from error
    if begins != expected:
        raise WrongUsage(
            f"{path} is not a {suffix_of(path.name)} package", "it may be an incomplete download"
        )


def _names(path: Path) -> list[str]:
    what = f"listing {path.name}"
    if path.name.endswith(DEB):
        listed = subprocesses.run(
            ["dpkg-deb", "--contents", path.absolute()], what=what, deadline=LIST_DEADLINE
        )
        # mode, owner, size, date, time, name
        names = [line.split(maxsplit=5)[5] for line in listed.splitlines()]
        return [name.partition(" -> ")[0] for name in names]
    return subprocesses.run(
        ["bsdtar", "-tf", path.absolute()], what=what, deadline=LIST_DEADLINE
    ).splitlines()


def _control(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the name of a .deb and its dependencies that are parts of a kernel."""
    if not path.name.endswith(DEB):
        return "", ()
    fields = subprocesses.run(
        ["dpkg-deb", "--field", path.absolute(), "Package", "Depends"],
        what=f"reading {path.name}",
        deadline=LIST_DEADLINE,
    )
    values = dict(line.split(": ", 1) for line in fields.splitlines() if ": " in line)
    needed = (
        each.split("|")[0].strip().split()[0] for each in values.get("Depends", "").split(",") if each.strip()
    )
    return values["Package"], tuple(name for name in needed if PART.fullmatch(name))
