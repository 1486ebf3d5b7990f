"""Kernels in packages and tars that are files: of distributions, or made by the kernel's own build."""

from __future__ import annotations

import glob
import hashlib
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels import archives, bootable, bzimage, installed
from dynptr_harness.kernels.selectors import in_file_system, is_set
from dynptr_harness.kernels.source import Choice, KernelSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel

KIND = "package-kernels"  # kind of cache entry
NEEDED_MIB = 1000
# The packages with modules that each kind of package is published with.
MODULES_IN = {
    archives.DEB: "linux-modules-{release}, or linux-modules-extra-{release}",
    archives.RPM: "kernel-modules-core and kernel-modules of {release}",
}


class PackageSource(KernelSource):
    """Kernels in .deb and .rpm packages and in tars."""

    help = "a .deb, .rpm or tar, or a directory of packages"

    def matches(self, selector: str) -> bool:
        """Return True for the name of a package or tar, a pattern of such names, and a directory of them."""
        if archives.suffix_of(selector):
            return True
        return in_file_system(selector) and Path(selector).is_dir() and bool(_in_directory(Path(selector)))

    def choose(
        self,
        selector: str,
        *,
        settings: Settings,
        progress: Progress,
        modules: Path | None,  # noqa: ARG002
    ) -> Iterator[Choice]:
        """Yield each kernel that has an image in the packages. They are listed, and unpacked when fetched."""
        for kernel in _kernels(selector, settings, progress):
            yield Choice(selector, str(kernel.image.absolute()), partial(_fetch, kernel, settings, progress))

    def path(self, selector: str) -> Path:
        """Return the directory of the packages: packages beside a given one can belong to its kernel."""
        path = Path(selector)
        return path if path.is_dir() else path.parent


@dataclass(frozen=True)
class _PackagedKernel:
    """A kernel in packages. `parts` are the files to unpack, first the one with the image."""

    release: str
    parts: tuple[Path, ...]
    config: bool

    @property
    def image(self) -> Path:
        return self.parts[0]

    @property
    def origin(self) -> str:
        more = "".join(f", {part.name}" for part in self.parts[1:])
        return f"{self.image.absolute()}{more}"


def _kernels(selector: str, settings: Settings, progress: Progress) -> list[_PackagedKernel]:
    """Return the kernels of a selector, each with its packages.

    Raises:
        WrongUsage: there is no such file, no image, or a kernel's modules are missing or there twice.
    """
    given, near = _files(selector)
    with progress.phase(f"reading the packages of {selector}"):
        found = {path: archives.contents(path, settings) for path in (*given, *near)}
    images = [(release, path) for path in given for release in found[path].images]
    if not images:
        # A package without an image was given: its kernel is in a package beside it.
        releases = {release for path in given for release in found[path].modules}
        images = [(each, path) for path in near for each in found[path].images if each in releases]
    if not images:
        raise _without_image(selector, given, found)
    by_release: dict[str, Path] = {}
    for release, path in images:
        if by_release.setdefault(release, path) != path:
            both = f"{by_release[release].name} and {path.name}"
            raise WrongUsage(f"both {both} have the kernel {release}", "give the path of one of them")
    return [_kernel(release, path, found) for release, path in by_release.items()]


def _files(selector: str) -> tuple[list[Path], list[Path]]:
    """Return the packages that a selector names, and others in their directory that can belong to them."""
    path = Path(selector)
    if path.is_dir():
        return _in_directory(path), []
    if is_set(selector) and not path.exists():
        given = [Path(each) for each in sorted(glob.glob(selector))]  # noqa: PTH207  (the pattern has a directory)
        if not given:
            raise WrongUsage(f"no file matches {selector}", "quote the pattern, and look at the directory")
        return given, []
    if not selector.endswith(archives.PACKAGES):
        return [path], []
    near = _in_directory(path.parent) if path.parent.is_dir() else []
    same_kind = [each for each in near if each.suffix == path.suffix and each.name != path.name]
    return [path], same_kind


def _in_directory(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if archives.is_kernel_package(path))
    except OSError:
        return []


def _kernel(release: str, image: Path, found: dict[Path, installed.Contents]) -> _PackagedKernel:
    others = [
        path
        for path, contents in found.items()
        if path != image and release not in contents.images and _has(contents, release)
    ]
    kernel = _PackagedKernel(
        release, (image, *others), any(release in found[path].configs for path in (image, *others))
    )
    _check_modules(kernel, found)
    return kernel


def _has(contents: installed.Contents, release: str) -> bool:
    return release in contents.modules or release in contents.configs


def _check_modules(kernel: _PackagedKernel, found: dict[Path, installed.Contents]) -> None:
    owner: dict[str, Path] = {}
    for path in kernel.parts:
        for module in found[path].modules.get(kernel.release, ()):
            if module in owner:
                raise WrongUsage(
                    f"both {owner[module].name} and {path.name} have the modules of {kernel.release}",
                    "move one of them to another directory",
                )
            owner[module] = path
    if not owner and not kernel.config:
        suffix = archives.suffix_of(kernel.image.name)
        named = MODULES_IN.get(suffix, "lib/modules/{release}").format(release=kernel.release)
        raise WrongUsage(
            f"no package has the modules of {kernel.release}: {kernel.image} has only the kernel",
            f"put {named} into the same directory",
        )


def _without_image(selector: str, given: Sequence[Path], found: dict[Path, installed.Contents]) -> WrongUsage:
    modules = sorted({release for path in given for release in found[path].modules})
    names = ", ".join(path.name for path in given)
    if modules:
        return WrongUsage(
            f"{names} has modules of {', '.join(modules)}, and no package in its directory has the kernel",
            "add the package with the kernel, such as linux-image-RELEASE, kernel-core or kernel-default",
        )
    return WrongUsage(
        f"there is no kernel in {selector}: {names} has neither boot/vmlinuz-RELEASE nor "
        "lib/modules/RELEASE/vmlinuz",
        "give a package with a kernel for x86-64, such as linux-image-RELEASE, kernel-core or kernel-default",
    )


def _fetch(packaged: _PackagedKernel, settings: Settings, progress: Progress) -> Kernel:
    """Return a kernel. Unpack its packages if the cache does not have it.

    Raises:
        WrongUsage: the image is not for x86-64, or the kernel cannot boot.
        EnvironmentFailed: a tool failed.
    """
    from dynptr_harness.core.cache import Cache

    def build(directory: Path) -> None:
        tree = directory / "tree"
        with progress.phase(f"unpacking {packaged.origin}"):
            for part in packaged.parts:
                archives.unpack(part, tree)
            installed.settle(tree, directory, packaged.release)
            _remove(tree)
        kernel = bzimage.resolve(directory / "vmlinuz", None)  # raises WrongUsage if it is none
        facts = {"release": packaged.release, "sha256": kernel.sha256, "origin": packaged.origin}
        (directory / "kernel.json").write_text(json.dumps(facts))

    digest = hashlib.sha256(" ".join(map(archives.stamp, packaged.parts)).encode()).hexdigest()[:24]
    entry = Cache(settings.cache).entry(KIND, digest, build, needed_mib=NEEDED_MIB)
    modules = entry / "usr/lib/modules" / packaged.release
    config = entry / "config"
    kernel = replace(
        bzimage.resolve(entry / "vmlinuz", None),
        modules=modules if modules.is_dir() else None,
        origin=packaged.origin,
        config=config if config.is_file() else None,
    )
    return bootable.check(kernel)


def _remove(tree: Path) -> None:
    import shutil

    shutil.rmtree(tree)
