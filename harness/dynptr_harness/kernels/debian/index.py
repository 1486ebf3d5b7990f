"""An index of the kernels in Debian's package lists."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from dynptr_harness.kernels.debian import apt
from dynptr_harness.kernels.debian.packages import KernelPackage, PackageFile, from_json, ranked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

ARCHITECTURE = "amd64"  # Debian's name
LISTS_AGE = 12 * 3600.0  # maximum age of the lists in seconds
LACKING_AGE = 600.0  # the same, if a list or the wanted kernel is missing

# A release has at least three numbers: 'linux-image-6.12-cloud-amd64' is a metapackage.
IMAGE_NAME = re.compile(rf"linux-image-(\d+\.\d+\.\d+\S*-cloud-{ARCHITECTURE})")
# The package with the configuration and the lists of built-in modules. A boot does not need it. Debian served
# that of 6.18 for a few days only.
OPTIONAL = "linux-base-"


@dataclass(frozen=True)
class Index:
    """The kernels in Debian's lists.

    Attributes:
        age: age in seconds.
        kernels: the kernels, also incomplete ones, in the order of `packages.ranked`.
        troubles: apt's errors about lists that it could not fetch.
        lacking: suites without a list, not even an older one.
    """

    age: float = math.inf
    kernels: list[KernelPackage] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, settings: Settings) -> Index:
        """Return the stored index of this mirror. Its age is infinite if there is none."""
        path = _path(settings)
        try:
            content = json.loads(path.read_text())
            age = time.time() - path.stat().st_mtime
            if content["mirror"] != settings.mirror:
                return cls()
            kernels = [from_json(fields) for fields in content["kernels"]]
            return cls(age, kernels, content["troubles"], content["lacking"])
        except (OSError, ValueError, KeyError, TypeError):  # damaged, or of another version of the harness
            return cls()

    def write(self, settings: Settings) -> None:
        """Store the index. The caller holds the lock of the archive."""
        path = _path(settings)
        draft = path.with_suffix(".draft")
        content = {
            "mirror": settings.mirror,
            "troubles": self.troubles,
            "lacking": self.lacking,
            "kernels": [asdict(each) for each in self.kernels],
        }
        draft.write_text(json.dumps(content))
        draft.rename(path)


def served(suffices: Callable[[Index], bool], settings: Settings, progress: Progress) -> Index:
    """Return the index of the kernels that Debian serves.

    Args:
        suffices: returns True if the index has the wanted kernels. Otherwise the lists are fetched again
            sooner.
        settings: the settings.
        progress: shows the fetch.

    Raises:
        MirrorFailed: there is no list at all.
    """

    def is_good(index: Index) -> bool:
        doubtful = index.troubles or not suffices(index)
        return index.age < (LACKING_AGE if doubtful else LISTS_AGE)

    index = Index.read(settings)
    if is_good(index):
        return index
    archive = apt.Archive(settings, ARCHITECTURE)
    with archive.lock():
        index = Index.read(settings)  # another process may have fetched it meanwhile
        if is_good(index):
            return index
        with progress.phase("fetching Debian's package lists"):
            troubles = archive.update()
            index = Index(0.0, ranked(_read_lists(archive)), troubles, archive.lacking())
        index.write(settings)
        return index


def _path(settings: Settings) -> Path:
    return settings.cache / "apt" / "kernels.json"


Listed = dict[tuple[str, str], dict[str, str]]  # control fields by name and version


def _read_lists(archive: apt.Archive) -> list[KernelPackage]:
    """Return the kernels in the lists. Some images outlive the modules that they depend on."""
    what = "reading Debian's package lists"
    names = archive.apt("apt-cache", "pkgnames", "linux-", what=what).split()
    ours = sorted(name for name in names if name.endswith(f"-cloud-{ARCHITECTURE}"))
    if not ours:
        return []
    suites: dict[tuple[str, str], str] = {}
    for row in archive.apt("apt-cache", "madison", *ours, what=what).splitlines():
        name, version, where = (field.strip() for field in row.split("|"))
        suites.setdefault((name, version), where.split()[1].partition("/")[0])
    listed: Listed = {(fields["Package"], fields["Version"]): fields for fields in archive.stanzas(ours)}
    found = []
    for (name, version), fields in listed.items():
        if image := IMAGE_NAME.fullmatch(name):
            parts, missing = _parts(fields, image[1], listed)
            own = not re.search(r"-\d+\.\d+", fields.get("Source", name).partition(" ")[0])
            suite = suites[name, version]
            found.append(KernelPackage(image[1], name, version, suite, own, tuple(parts), tuple(missing)))
    return found


def _parts(fields: dict[str, str], release: str, listed: Listed) -> tuple[list[PackageFile], list[str]]:
    """Return a package with its dependencies of the same release, and the names of missing packages.

    Since 6.19 linux-image is empty and its files are in linux-binary, linux-modules and linux-base.
    """
    parts = [PackageFile(fields["Package"], fields["Version"], fields["SHA256"], int(fields.get("Size", 0)))]
    missing: list[str] = []
    for name, version in re.findall(r"(\S+) \(= (\S+)\)", fields.get("Depends", "")):
        if not name.endswith(f"-{release}"):
            continue
        if needed := listed.get((name, version)):
            more, lost = _parts(needed, release, listed)
            parts += [part for part in more if part not in parts]
            missing += [each for each in lost if each not in missing]
        elif not name.startswith(OPTIONAL):
            missing.append(name)
    return parts, missing
