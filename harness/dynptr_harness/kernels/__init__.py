"""Kernels to test: build trees, files, packages, container images, and Debian's archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.kernels.build_tree import DirectorySource
from dynptr_harness.kernels.bzimage import BzImageSource
from dynptr_harness.kernels.container_image import ContainerImageSource
from dynptr_harness.kernels.debian import DebianSource
from dynptr_harness.kernels.packages import PackageSource
from dynptr_harness.kernels.vmlinux import VmlinuxSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.source import Choice, KernelSource

__all__ = ["SOURCES", "choose", "path_of", "selector_help"]

# The first source that matches a selector is used. Prefixes such as 'oci:' precede paths, which may contain
# anything. Sources that recognise a file precede the one that takes every path. A file that is called '6.12'
# precedes the series.
SOURCES: tuple[KernelSource, ...] = (
    ContainerImageSource(),
    PackageSource(),
    VmlinuxSource(),
    DirectorySource(),
    BzImageSource(),
    DebianSource(),
)


def choose(
    selectors: Sequence[str], *, settings: Settings, progress: Progress, modules: Path | None = None
) -> list[Choice]:
    """Return the kernels that the selectors match, each once, without fetching them.

    Args:
        selectors: each belongs to one of `SOURCES`.
        modules: directory of the modules of a kernel given as a file.

    Raises:
        WrongUsage: there is no such kernel, or the modules are for another kernel.
        EnvironmentFailed: a tool or the network failed.
    """
    found: dict[str, Choice] = {}
    for selector in selectors:
        source = _source_of(selector)
        if not source:
            several = "give --kernel once for each; " if "," in selector else ""
            raise WrongUsage(f"{selector!r} is not a kernel", f"{several}name {selector_help('or')}")
        if modules and not source.takes_modules:
            raise WrongUsage(f"modules in {modules} were given with {selector!r}, which has its own modules")
        for choice in source.choose(selector, settings=settings, progress=progress, modules=modules):
            found.setdefault(choice.name, choice)
    return list(found.values())


def path_of(selector: str) -> Path | None:
    """Return the file that a selector names, or None if it names no file."""
    source = _source_of(selector)
    return source.path(selector) if source else None


def selector_help(conjunction: str = "") -> str:
    """Return a list of the selectors of all sources, the most used first.

    Args:
        conjunction: precedes the last one, in place of a comma.
    """
    *others, last = [source.help for source in reversed(SOURCES)]
    return f"{', '.join(others)}{f' {conjunction} ' if conjunction else ', '}{last}"


def _source_of(selector: str) -> KernelSource | None:
    return next((source for source in SOURCES if source.matches(selector)), None)
