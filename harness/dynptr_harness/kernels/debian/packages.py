"""Kernels as Debian packages, and their ranking."""

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
    """A package with files of a kernel. `size` is the size of the download in bytes, 0 if unknown."""

    name: str
    version: str
    sha256: str
    size: int = 0


@dataclass(frozen=True)
class KernelPackage:
    """A kernel in Debian's archive or in the cache.

    Attributes:
        release: `uname -r` of the guest.
        package: the main package.
        version: version of the main package.
        suite: suite that serves it.
        own: True if it was built for its suite. False for a newer kernel built for an older suite.
        parts: the packages with its files.
        missing: needed packages that the archive does not serve. Empty for a complete kernel.
        cached: True if it is in the cache.
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
        """The series, such as '6.12'."""
        return KernelVersion(self.release).series

    @property
    def key(self) -> str:
        """The key of its cache entry."""
        return f"{self.package}_{self.version}".replace(":", "~")

    @property
    def download_size(self) -> int:
        """The size of all downloads in bytes, 0 if unknown."""
        return sum(part.size for part in self.parts)

    def fits(self, selector: str) -> bool:
        """Return True if a series, or the leading part of a release or package version, matches."""
        if re.fullmatch(r"\d+\.\d+", selector):
            return selector == self.series
        leading = re.compile(re.escape(selector) + r"(?!\d)")
        return any(leading.match(name) for name in (self.release, self.version))


def from_json(fields: dict[str, Any]) -> KernelPackage:
    """Return the kernel from the JSON of `dataclasses.asdict`. Fields that are missing get their defaults."""
    parts = tuple(PackageFile(**part) for part in fields["parts"])
    return KernelPackage(**{**fields, "parts": parts, "missing": tuple(fields.get("missing", ()))})


def ranked(kernels: Iterable[KernelPackage]) -> list[KernelPackage]:
    """Sort kernels: oldest series first, then complete ones, those built for their suite, and newest."""
    by_series = sorted(kernels, key=lambda each: KernelVersion(each.series))
    return [
        each
        for _series, members in groupby(by_series, key=lambda each: each.series)
        for each in sorted(members, key=cmp_to_key(_compare), reverse=True)
    ]


def best_of_series(kernels: Iterable[KernelPackage]) -> list[KernelPackage]:
    """Return the first kernel of each series."""
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
