"""A kernel that Debian names: what it is made of, whether it is on the disk, and which of several is best."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cache, cmp_to_key
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.kernel_version import KernelVersion

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class PackageFile:
    """A package that holds files of a kernel; `size` is that of the download in bytes, 0 if not known."""

    name: str
    version: str
    sha256: str
    size: int = 0


@dataclass(frozen=True)
class KernelPackage:
    """A kernel that can be had, or of which only a part is served.

    Attributes:
        release: what `uname -r` says in the guest.
        package: the package that names it.
        version: the version of that package.
        suite: where it is served.
        own: made for that suite, not for an older one from a newer one's source.
        parts: the packages that hold its files.
        missing: names of packages that hold files of it and are not served; none when it can be had.
        cached: whether it is on this machine's disk.
    """

    release: str
    package: str
    version: str
    suite: str
    own: bool
    parts: tuple[PackageFile, ...]
    missing: tuple[str, ...] = ()
    cached: bool = False

    @property
    def series(self) -> str:
        """The kernel's series, e.g. '6.12'."""
        return KernelVersion(self.release).series

    @property
    def key(self) -> str:
        """The name of its cache entry."""
        return f"{self.package}_{self.version}".replace(":", "~")

    @property
    def download_size(self) -> int:
        """Bytes to download; 0 if not known."""
        return sum(part.size for part in self.parts)

    def fits(self, selector: str) -> bool:
        """Whether a series, a release, or the leading part of a release or package version means this."""
        if re.fullmatch(r"\d+\.\d+", selector):
            return selector == self.series
        leading = re.compile(re.escape(selector) + r"(?!\d)")
        return any(leading.match(name) for name in (self.release, self.version))


def from_json(fields: dict[str, Any]) -> KernelPackage:
    """What `dataclasses.asdict` made JSON of; a field that was added since has its default."""
    parts = tuple(PackageFile(**part) for part in fields["parts"])
    return KernelPackage(**{**fields, "parts": parts, "missing": tuple(fields.get("missing", ()))})


def ranked(kernels: Iterable[KernelPackage]) -> list[KernelPackage]:
    """The oldest series first, and in each the best first: complete, made for its suite, newest."""
    by_series = sorted(kernels, key=lambda each: KernelVersion(each.series))
    return [
        each
        for _series, members in groupby(by_series, key=lambda each: each.series)
        for each in sorted(members, key=cmp_to_key(_compare), reverse=True)
    ]


def best_of_series(kernels: Iterable[KernelPackage]) -> list[KernelPackage]:
    """The first of each series."""
    best: dict[str, KernelPackage] = {}
    for each in kernels:
        best.setdefault(each.series, each)
    return list(best.values())


def _compare(one: KernelPackage, other: KernelPackage) -> int:
    for better, worse in ((not one.missing, not other.missing), (one.own, other.own)):
        if better != worse:
            return 1 if better else -1
    if one.version == other.version:
        return 0
    return 1 if _is_newer(one.version, other.version) else -1


@cache
def _is_newer(version: str, other: str) -> bool:
    newer = ["dpkg", "--compare-versions", version, "gt", other]
    return subprocess.run(newer, check=False).returncode == 0
