"""Kernels in package files and tars, from a distribution or from `make deb-pkg` and its relatives."""

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
    from collections.abc import Iterable, Iterator, Sequence

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel

KIND = "package-kernels"  # kind of cache entry
NEEDED_MIB = 1000
# The packages with modules that each kind of package is published with.
MODULES_IN = {
    archives.DEB: "linux-modules-{release}",
    archives.RPM: "kernel-modules-core of {release}",
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
        found = {path: archives.read(path, settings) for path in (*given, *near)}
    images = [(release, path) for path in given for release in found[path].contents.images]
    if not images:
        images = [(each, path) for path in near for each in _belonging(found[path], given, found)]
    if not images:
        raise _without_image(selector, given, found)
    by_release: dict[str, Path] = {}
    for release, path in images:
        if by_release.setdefault(release, path) != path:
            both = f"{by_release[release].name} and {path.name}"
            raise WrongUsage(f"both {both} have the kernel {release}", "give the path of one of them")
    return [_kernel(release, path, found) for release, path in by_release.items()]


def _belonging(
    package: archives.Package, given: Sequence[Path], found: dict[Path, archives.Package]
) -> list[str]:
    """Return the releases of the images in a package that belong to given packages without an image."""
    needs = {name for path in given for name in found[path].needs}
    releases = {each for path in given for kind in _of_releases(found[path].contents) for each in kind}
    return [each for each in package.contents.images if each in releases or package.name in needs]


def _of_releases(contents: installed.Contents) -> tuple[Iterable[str], ...]:
    return contents.modules, contents.configs


def _files(selector: str) -> tuple[list[Path], list[Path]]:
    """Return the packages that a selector names, and others in their directory that can belong to them."""
    path = Path(selector)
    if path.is_dir():
        return _in_directory(path), []
    if is_set(selector) and not path.exists():
        matching = [Path(each) for each in sorted(glob.glob(selector))]  # noqa: PTH207  (the pattern has a directory)
        if not matching:
            raise WrongUsage(f"no file matches {selector}", "quote the pattern, and look at the directory")
        return [each for each in matching if archives.is_kernel_package(each)] or matching, []
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


def _kernel(release: str, image: Path, found: dict[Path, archives.Package]) -> _PackagedKernel:
    others = [
        path
        for path, package in found.items()
        if path != image and release not in package.contents.images and _has(package.contents, release)
    ]
    kernel = _PackagedKernel(
        release, (image, *others), any(release in found[path].contents.configs for path in (image, *others))
    )
    _check_modules(kernel, found)
    return kernel


def _has(contents: installed.Contents, release: str) -> bool:
    return release in contents.modules or release in contents.configs


def _check_modules(kernel: _PackagedKernel, found: dict[Path, archives.Package]) -> None:
    owner: dict[str, Path] = {}
    for path in kernel.parts:
        for module in found[path].contents.modules.get(kernel.release, ()):
            if module in owner:
                raise WrongUsage(
                    f"both {owner[module].name} and {path.name} have the modules of {kernel.release}",
                    "move one of them to another directory",
                )
            owner[module] = path
    if missing := _missing_parts(kernel, found, has_modules=bool(owner)):
        raise WrongUsage(
            f"{kernel.image} is only a part of the kernel {kernel.release}: {missing} is missing",
            "put it into the same directory",
        )


def _missing_parts(kernel: _PackagedKernel, found: dict[Path, archives.Package], *, has_modules: bool) -> str:
    """Return the names of the packages that are missing, '' if none is known to be."""
    names = {found[path].name for path in kernel.parts}
    needed = [name for path in kernel.parts for name in found[path].needs]
    if missing := [name for name in dict.fromkeys(needed) if name not in names]:
        return ", ".join(missing)
    if has_modules or kernel.config:
        return ""
    suffix = archives.suffix_of(kernel.image.name)
    return MODULES_IN.get(suffix, "lib/modules/{release}").format(release=kernel.release)


def _without_image(selector: str, given: Sequence[Path], found: dict[Path, archives.Package]) -> WrongUsage:
    modules = sorted({release for path in given for release in found[path].contents.modules})
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
