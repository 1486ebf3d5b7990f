"""Kernels from Debian's suites: signed packages, fetched by apt, unpacked into the cache."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import logging
import math
import re
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from harness import apt, process
from harness.cache import Cache
from harness.errors import EnvironmentFailed, HarnessError, WrongUsage
from harness.kernels.model import Kernel, series_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.progress import Progress
    from harness.settings import Settings

KIND = "kernels"  # of cache entry
ARCHITECTURE = "amd64"  # Debian's name
MACHINE = "x86_64"  # the kernel's name of the same
PROVENANCE = "kernel.json"

LISTS_AGE = 12 * 3600.0  # seconds; the lists are fetched again when they are older
LACKING_AGE = 600.0  # the same, when one could not be had, or what was asked for is in none
ROOM_MIB = 600
UNPACK_DEADLINE = 300.0

# 'linux-image-6.12-cloud-amd64' is a metapackage: a release has three numbers at least.
IMAGE_NAME = re.compile(rf"linux-image-(\d+\.\d+\.\d+\S*-cloud-{ARCHITECTURE})")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """A package that holds files of a kernel."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class Available:
    """A kernel that can be had.

    Attributes:
        release: what `uname -r` says in the guest.
        package: the package that names it.
        version: the version of that package.
        suite: where it is served.
        own: made for that suite, not for an older one from a newer one's source.
        parts: the packages that hold its files.
        cached: whether it is on this machine's disk.
    """

    release: str
    package: str
    version: str
    suite: str
    own: bool
    parts: tuple[Part, ...]
    cached: bool = False

    @property
    def series(self) -> str:
        """The kernel's series, e.g. '6.12'."""
        return series_of(self.release)

    @property
    def key(self) -> str:
        """The name of its cache entry."""
        return f"{self.package}_{self.version}".replace(":", "~")

    def fits(self, selector: str) -> bool:
        """Whether a series, a release, or the leading part of a release or package version means this."""
        if re.fullmatch(r"\d+\.\d+", selector):
            return selector == self.series
        leading = re.compile(re.escape(selector) + r"(?!\d)")
        return any(leading.match(name) for name in (self.release, self.version))


def resolve(selector: str, settings: Settings, progress: Progress) -> Kernel:
    """The newest kernel that Debian serves for a series, or the one of a release; fetched where needed.

    When the mirror cannot be reached, the newest fitting kernel of the cache is used, with a warning.
    Raises WrongUsage when there is no such kernel, EnvironmentFailed when that cannot be told.
    """
    stored = [each for each in cached(settings) if each.fits(selector)]
    for kernel in stored:
        if kernel.release == selector:
            return _fetched(kernel, settings, progress)
    try:
        index = _index(selector, settings, progress)
        fitting = [each for each in index.kernels if each.fits(selector)]
        if not fitting:
            raise _unknown(selector, index)
        return _fetched(fitting[0], settings, progress)
    except apt.MirrorFailed as failed:
        if not stored:
            raise
        kernel = max(stored, key=_ORDER)
        log.warning("using %s from the cache, for %s", kernel.release, failed.fact)
        return _fetched(kernel, settings, progress)


def available(settings: Settings, progress: Progress) -> list[Available]:
    """Every kernel that Debian's suites serve complete: oldest series first, the best of each first."""
    keys = {each.key for each in cached(settings)}
    served = _index(None, settings, progress).kernels
    return [replace(each, cached=each.key in keys) for each in served]


def cached(settings: Settings) -> list[Available]:
    """The kernels on this machine's disk, as far as they say what they are."""
    found = []
    for entry in Cache(settings.cache).entries(KIND):
        with contextlib.suppress(OSError, ValueError):  # a damaged entry is made anew when it is wanted
            fields = json.loads((entry / PROVENANCE).read_text())["kernel"]
            found.append(replace(_from_json(fields), cached=True))
    return found


def _compare(one: Available, other: Available) -> int:
    if one.own != other.own:
        return 1 if one.own else -1
    if one.version == other.version:
        return 0
    newer = ["dpkg", "--compare-versions", one.version, "gt", other.version]
    return 1 if subprocess.run(newer, check=False).returncode == 0 else -1


_ORDER = cmp_to_key(_compare)


@dataclass(frozen=True)
class _Index:
    """What Debian's lists named: the best of each series first.

    `age` is in seconds; `troubles` is what apt said of lists that it could not get.
    """

    age: float
    kernels: list[Available]
    troubles: list[str]

    @classmethod
    def read(cls, settings: Settings) -> _Index:
        """The answer kept of this mirror; infinitely old where there is none."""
        path = _index_path(settings)
        try:
            content = json.loads(path.read_text())
            age = time.time() - path.stat().st_mtime
        except (OSError, ValueError):
            return cls(math.inf, [], [])
        if content["mirror"] != settings.mirror:
            return cls(math.inf, [], [])
        return cls(age, [_from_json(fields) for fields in content["kernels"]], content["troubles"])

    def write(self, settings: Settings) -> None:
        """Keep the answer, with the time. Only for the holder of the archive's lock."""
        path = _index_path(settings)
        draft = path.with_suffix(".draft")
        content = {
            "mirror": settings.mirror,
            "troubles": self.troubles,
            "kernels": [asdict(each) for each in self.kernels],
        }
        draft.write_text(json.dumps(content))
        draft.rename(path)

    def is_good_for(self, selector: str | None) -> bool:
        """Whether there is no need to ask again, be it for all kernels or for what is selected."""
        lacking = selector is not None and not any(each.fits(selector) for each in self.kernels)
        return self.age < (LACKING_AGE if lacking or self.troubles else LISTS_AGE)


def _index(selector: str | None, settings: Settings, progress: Progress) -> _Index:
    """What Debian serves; asked again when the answer is old, or lacks what is selected."""
    index = _Index.read(settings)
    if index.is_good_for(selector):
        return index
    archive = apt.Archive(settings, ARCHITECTURE)
    with archive.lock():
        index = _Index.read(settings)  # another process may have asked meanwhile
        if index.is_good_for(selector):
            return index
        with progress.phase("fetching Debian's package lists"):
            troubles = archive.update()
            index = _Index(0.0, _ranked(_read_lists(archive)), troubles)
        index.write(settings)
    for trouble in troubles:
        log.warning("%s", trouble)
    return index


def _index_path(settings: Settings) -> Path:
    return settings.cache / "apt" / "kernels.json"


def _from_json(fields: dict[str, Any]) -> Available:
    return Available(**{**fields, "parts": tuple(Part(**part) for part in fields["parts"])})


def _ranked(kernels: Iterable[Available]) -> list[Available]:
    best_first = sorted(kernels, key=_ORDER, reverse=True)
    return sorted(best_first, key=lambda each: _numbers(each.series))


def _numbers(series: str) -> list[int]:
    return [int(number) for number in series.split(".")]


def _read_lists(archive: apt.Archive) -> list[Available]:
    """The kernels whose packages are all listed. Some images outlive the modules that they depend on."""
    what = "reading Debian's package lists"
    names = archive.apt("apt-cache", "pkgnames", "linux-", what=what).split()
    ours = sorted(name for name in names if name.endswith(f"-cloud-{ARCHITECTURE}"))
    if not ours:
        return []
    suites: dict[tuple[str, str], str] = {}
    for row in archive.apt("apt-cache", "madison", *ours, what=what).splitlines():
        name, version, where = (field.strip() for field in row.split("|"))
        suites.setdefault((name, version), where.split()[1].partition("/")[0])
    listed = {(fields["Package"], fields["Version"]): fields for fields in archive.stanzas(ours)}
    found = []
    for (name, version), fields in listed.items():
        image = IMAGE_NAME.fullmatch(name)
        parts = _parts(fields, image[1], listed) if image else None
        if image and parts:
            own = not re.search(r"-\d+\.\d+", fields.get("Source", name).partition(" ")[0])
            found.append(Available(image[1], name, version, suites[name, version], own, parts))
    return found


def _parts(
    fields: dict[str, str], release: str, listed: dict[tuple[str, str], dict[str, str]]
) -> tuple[Part, ...] | None:
    """The package and those of the same release that it depends on; None when one of them is not served.

    Since 7.x linux-image is empty and its files are in linux-binary, linux-modules and linux-base.
    """
    parts = [Part(fields["Package"], fields["Version"], fields["SHA256"])]
    for name, version in re.findall(r"(\S+) \(= (\S+)\)", fields.get("Depends", "")):
        if not name.endswith(f"-{release}"):
            continue
        needed = listed.get((name, version))
        more = _parts(needed, release, listed) if needed else None
        if more is None:
            return None
        parts += [part for part in more if part not in parts]
    return tuple(parts)


def _unknown(selector: str, index: _Index) -> HarnessError:
    if index.troubles:
        return apt.MirrorFailed(
            f"no kernel {selector!r} in the lists that could be fetched: {index.troubles[0]}",
            apt.MENDING_MIRROR,
        )
    series = list(dict.fromkeys(each.series for each in index.kernels))
    names = [*series, *(each.release for each in index.kernels)]
    near = difflib.get_close_matches(selector, names, n=4, cutoff=0.5)
    return WrongUsage(
        f"Debian serves no complete kernel {selector!r}" + (f"; near: {', '.join(near)}" if near else ""),
        f"name one of the series {', '.join(series)}, a release, or the path of a kernel image",
    )


def _fetched(kernel: Available, settings: Settings, progress: Progress) -> Kernel:
    """The kernel on disk, downloaded and unpacked first where the cache does not have it."""

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


def _unpack(kernel: Available, folder: Path) -> None:
    """From the .deb files in a folder make vmlinuz, config, usr/lib/modules/RELEASE and the provenance."""
    release = kernel.release
    tree = folder / "tree"
    for deb in sorted(folder.glob("*.deb")):
        process.run(
            ["dpkg-deb", "--extract", deb, tree], what=f"unpacking {deb.name}", deadline=UNPACK_DEADLINE
        )
        deb.unlink()
    (folder / "usr/lib/modules").mkdir(parents=True)
    (folder / "lib").symlink_to("usr/lib")  # depmod and modprobe look in either, by their version
    modules = folder / "usr/lib/modules" / release
    _first(tree / "usr/lib/modules" / release, tree / "lib/modules" / release).rename(modules)
    _first(tree / f"boot/vmlinuz-{release}", modules / "vmlinuz").rename(folder / "vmlinuz")
    _first(tree / f"boot/config-{release}", modules / "config").rename(folder / "config")
    (modules / "System.map").unlink(missing_ok=True)  # large, and the guest has /proc/kallsyms
    shutil.rmtree(tree)
    process.run(
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
