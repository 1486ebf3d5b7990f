"""Kernels in directories: the tree of a build, or the target of an installation."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels import bootable, bzimage, installed
from dynptr_harness.kernels.selectors import in_file_system
from dynptr_harness.kernels.source import Choice, KernelSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel

IMAGE = "arch/x86/boot/bzImage"
# modules.order has one line for each module since 5.3: the .ko, since 6.3 the .o.
ORDER = "modules.order"
BUILT_IN = ("modules.builtin", "modules.builtin.modinfo")
RELEASE = "include/config/kernel.release"
# What was built. The .config can have changed since.
CONFIGS = ("include/config/auto.conf", ".config")

KIND = "built-modules"  # kind of cache entry
LIMIT_MIB = 2048  # disk space for the modules of builds
STRIP_DEADLINE = 120.0
STRIPPED_TOGETHER = 200  # files

INSTALLED_HINT = (
    "give a build tree with arch/x86/boot/bzImage, a directory with boot/vmlinuz-RELEASE and "
    "lib/modules/RELEASE, or one with packages"
)


class DirectorySource(KernelSource):
    """Kernels in build trees and installation targets."""

    help = "a build tree"
    takes_modules = True

    def matches(self, selector: str) -> bool:
        """Return True for a directory."""
        return in_file_system(selector) and Path(selector).is_dir()

    def choose(
        self, selector: str, *, settings: Settings, progress: Progress, modules: Path | None
    ) -> Iterator[Choice]:
        """Yield the kernel. What is missing is reported now, and modules are copied by the fetch."""
        directory = Path(selector)
        if _is_build_tree(directory):
            kernel = _built(directory, modules)
            fetch = partial(_with_modules, kernel, directory, settings, progress)
            yield Choice(selector, kernel.origin, (lambda: kernel) if modules else fetch)
        else:
            installed_one = _installed(directory, modules)
            yield Choice(selector, installed_one.origin, lambda: installed_one)

    def path(self, selector: str) -> Path:
        """Return the directory."""
        return Path(selector)


def _is_build_tree(directory: Path) -> bool:
    return any((directory / name).exists() for name in (IMAGE, "Kbuild", ".config"))


def _built(tree: Path, modules: Path | None) -> Kernel:
    """Return the kernel of a build tree, with the modules that were given, if any.

    Raises:
        WrongUsage: there is no image, or the kernel cannot boot without modules and there are none.
    """
    image = tree / IMAGE
    if not image.is_file():
        raise WrongUsage(f"the build tree {tree} has no {IMAGE}", f"build it: make -C {tree} bzImage")
    kernel = bzimage.resolve(image, modules)
    config = next((tree / name for name in CONFIGS if (tree / name).is_file()), None)
    kernel = replace(kernel, config=config)
    if modules or not _modules_of(tree):
        bootable.check(kernel)
    return kernel


def _modules_of(tree: Path) -> list[Path]:
    """Return the paths of the modules below a build tree.

    Raises:
        WrongUsage: some of them were not built.
    """
    order = tree / ORDER
    if not order.is_file():
        return []
    names = [Path(line).with_suffix(".ko") for line in order.read_text().split()]
    missing = [name for name in names if not (tree / name).is_file()]
    if len(missing) == len(names):  # only the image was built
        return []
    if missing:
        raise WrongUsage(
            f"{tree} lacks {len(missing)} of {len(names)} modules, such as {missing[0]}",
            f"build them: make -C {tree} modules",
        )
    return names


def _with_modules(kernel: Kernel, tree: Path, settings: Settings, progress: Progress) -> Kernel:
    """Return the kernel with the modules of its tree, copied to the cache without debugging information."""
    from dynptr_harness.core.cache import Cache

    names = _modules_of(tree)
    if not names:
        return kernel
    _check_release(kernel, tree)

    def build(directory: Path) -> None:
        with progress.phase(f"copying {len(names)} modules of {kernel.release}"):
            _copy(tree, names, directory, kernel.release)

    cache = Cache(settings.cache)
    key = _key(kernel, tree, names)
    entry = cache.entry(KIND, key, build)
    cache.prune(KIND, LIMIT_MIB, keep=key)
    return bootable.check(replace(kernel, modules=entry / "usr/lib/modules" / kernel.release))


def _check_release(kernel: Kernel, tree: Path) -> None:
    """Raise WrongUsage if the modules were built after a change of the release, and the image was not."""
    file = tree / RELEASE
    built = file.read_text().strip() if file.is_file() else kernel.release
    if built != kernel.release:
        raise WrongUsage(
            f"the image in {tree} is of {kernel.release}, and its modules are of {built}",
            f"build both: make -C {tree} bzImage modules",
        )


def _key(kernel: Kernel, tree: Path, names: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{tree.absolute()} {kernel.release}\n".encode())
    for name in names:
        state = (tree / name).stat()
        digest.update(f"{name} {state.st_size} {state.st_mtime_ns}\n".encode())
    return f"{kernel.release}-{digest.hexdigest()[:16]}"


def _copy(tree: Path, names: Sequence[Path], directory: Path, release: str) -> None:
    """Copy modules as `make modules_install` does."""
    modules = directory / "usr/lib/modules" / release
    modules.mkdir(parents=True)
    (directory / "lib").symlink_to("usr/lib")  # depmod and modprobe use one or the other, by version
    copies = []
    for name in names:
        copy = modules / "kernel" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / name, copy)
        copies.append(copy)
    (modules / ORDER).write_text("".join(f"kernel/{name}\n" for name in names))
    for built_in in BUILT_IN:
        if (tree / built_in).is_file():
            shutil.copyfile(tree / built_in, modules / built_in)
    if subprocesses.find_tool("strip"):
        for start in range(0, len(copies), STRIPPED_TOGETHER):
            some = copies[start : start + STRIPPED_TOGETHER]
            what = f"stripping modules of {release}"
            subprocesses.run(["strip", "--strip-debug", *some], what=what, deadline=STRIP_DEADLINE)
    installed.index(directory, release)


def _installed(root: Path, modules: Path | None) -> Kernel:
    """Return the kernel that is installed below a directory, as by `make dir-pkg`.

    Raises:
        WrongUsage: there is none, there are several, or it cannot boot.
    """
    found = installed.Contents.of_directory(root)
    if not found.images:
        raise WrongUsage(f"there is no kernel in the directory {root}", INSTALLED_HINT)
    if len(found.images) > 1:
        raise WrongUsage(
            f"there are several kernels in {root}: {', '.join(sorted(found.images))}",
            f"give the path of one of them, and {root} to --modules",
        )
    ((release, image),) = found.images.items()
    own = (
        root if any((root / name / release).is_dir() for name in ("lib/modules", "usr/lib/modules")) else None
    )
    kernel = bzimage.resolve(root / image, modules or own)
    config = found.configs.get(release)
    return bootable.check(replace(kernel, config=root / config if config else None))
