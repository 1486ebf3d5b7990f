"""Kernels as they are installed: boot/vmlinuz-RELEASE, lib/modules/RELEASE and their other names."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEPMOD_DEADLINE = 300.0

# Debian, Ubuntu and the kernel's own packages have boot/vmlinuz-RELEASE. Fedora and openSUSE have the image
# and its configuration beside the modules, since openSUSE 15.3 below usr/lib.
_BOOT = re.compile(r"(?:\./)?(?:usr/)?boot/(vmlinuz|bzImage|config)-(.+)")
_BESIDE = re.compile(r"(?:\./)?(?:usr/)?lib/modules/([^/]+)/(vmlinuz|bzImage|config)")
_MODULE = re.compile(r"(?:\./)?(?:usr/)?lib/modules/([^/]+)/.+\.ko(?:\.gz|\.xz|\.zst)?")


@dataclass
class Contents:
    """The kernels among some files.

    Attributes:
        images: path of each image, by release.
        configs: path of each configuration, by release.
        modules: paths of the modules, by release.
    """

    images: dict[str, str] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    modules: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Iterable[str]) -> Contents:
        """Return the kernels among relative paths. An image in boot/ precedes one beside the modules."""
        found = cls()
        for path in paths:
            if match := _MODULE.fullmatch(path):
                found.modules.setdefault(match[1], []).append(path)
            elif match := _BOOT.fullmatch(path):
                found._of_kind(match[1])[match[2]] = path
            elif match := _BESIDE.fullmatch(path):
                found._of_kind(match[2]).setdefault(match[1], path)
        return found

    @classmethod
    def of_directory(cls, root: Path) -> Contents:
        """Return the images and configurations that are installed below a directory."""
        patterns = ("boot/*", "lib/modules/*/*", "usr/lib/modules/*/*")
        return cls.of(
            str(path.relative_to(root)) for pattern in patterns for path in sorted(root.glob(pattern))
        )

    def _of_kind(self, name: str) -> dict[str, str]:
        return self.configs if name == "config" else self.images


def settle(tree: Path, directory: Path, release: str) -> None:
    """Move one installed kernel from an unpacked tree to the layout of the cache, and index its modules.

    The layout: vmlinuz, config, usr/lib/modules/RELEASE. The last two exist if the tree has them.

    Raises:
        KeyError: the tree has no image of this release.
        EnvironmentFailed: depmod failed.
    """
    found = Contents.of(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file())
    (directory / "usr/lib/modules").mkdir(parents=True)
    (directory / "lib").symlink_to("usr/lib")  # depmod and modprobe use one or the other, by version
    shutil.move(tree / found.images[release], directory / "vmlinuz")
    if config := found.configs.get(release):
        shutil.move(tree / config, directory / "config")
    if release not in found.modules:
        return
    modules = directory / "usr/lib/modules" / release
    for source in (tree / "usr/lib/modules" / release, tree / "lib/modules" / release):
        if source.is_dir():
            shutil.copytree(source, modules, symlinks=True, dirs_exist_ok=True, copy_function=shutil.move)
    (modules / "System.map").unlink(missing_ok=True)  # large, and the guest has /proc/kallsyms
    index(directory, release)


def index(directory: Path, release: str) -> None:
    """Run depmod on the modules in a directory of the cache.

    Modules that gzip compressed are uncompressed: Debian's depmod and modprobe cannot read them.
    """
    modules = directory / "usr/lib/modules" / release
    for name in ("build", "source"):  # links, or directories in an image
        if (modules / name).is_symlink():
            (modules / name).unlink()
        else:
            shutil.rmtree(modules / name, ignore_errors=True)
    for module in modules.rglob("*.ko.gz"):
        with gzip.open(module) as packed, module.with_suffix("").open("wb") as plain:
            shutil.copyfileobj(packed, plain)
        module.unlink()
    what = f"indexing modules of {release}"
    subprocesses.run(
        ["depmod", "-C", os.devnull, "-b", directory, release], what=what, deadline=DEPMOD_DEADLINE
    )
