"""The command `kernels prune`: remove kernels from the cache, with their boot files and snapshots."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core.cache import Cache, disk_usage
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.guest_image import boot_files
from dynptr_harness.kernels.debian import store
from dynptr_harness.kernels.debian.matching import fitting, similar
from dynptr_harness.kernels.debian.packages import best_of_series
from dynptr_harness.vm import migration, snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.debian.packages import KernelPackage


@dataclass(frozen=True)
class Removal:
    """The removal of a cached kernel.

    Attributes:
        size: disk space in bytes of the kernel and of the boot files and snapshots of its release.
        snapshots: number of snapshots.
        in_use: True if a process uses the kernel; then nothing is removed.
    """

    kernel: KernelPackage
    size: int
    snapshots: int
    in_use: bool = False


def prune(selectors: Sequence[str], settings: Settings, *, dry_run: bool = False) -> Iterator[Removal]:
    """Remove kernels from the cache and yield each removal.

    Without a selector, keep only the best kernel of each series. Kernels in use are kept.

    Args:
        selectors: as in `dynptr_harness.kernels.choose`. 'all', a series and a pattern select every match.
        dry_run: remove nothing.

    Raises:
        WrongUsage: a selector matches no cached kernel; nothing is removed.
    """
    stored = store.cached(settings)
    if selectors:
        chosen = [each for selector in selectors for each in _fitting(selector, stored)]
    else:
        best = best_of_series(stored)
        chosen = [each for each in stored if each not in best]
    for kernel in dict.fromkeys(chosen):
        yield _removed(kernel, Cache(settings.cache), dry_run=dry_run)


def _fitting(selector: str, stored: Sequence[KernelPackage]) -> list[KernelPackage]:
    found = fitting(selector, stored)
    if not found:
        raise WrongUsage(
            f"the cache has no kernel {selector!r}{similar(selector, stored)}",
            "'dynptr-harness kernels --offline' lists the cached kernels",
        )
    return found


def _removed(kernel: KernelPackage, cache: Cache, *, dry_run: bool) -> Removal:
    """Remove the kernel first, because every user of its boot files and snapshots locks the kernel too."""
    derived = [*_boot_files(kernel, cache), *(snapshots := list(_snapshots(kernel, cache)))]
    entries = [cache.directory / store.KIND / kernel.key, *derived]
    removal = Removal(kernel, sum(map(disk_usage, entries)), len(snapshots))
    if dry_run:
        return removal
    if not cache.discard(store.KIND, kernel.key):
        return Removal(kernel, 0, 0, in_use=True)
    for entry in derived:
        cache.discard(entry.parent.name, entry.name)
    return removal


def _boot_files(kernel: KernelPackage, cache: Cache) -> Iterator[Path]:
    for entry in cache.entries(boot_files.KIND):
        if entry.name.rpartition("-")[0] == kernel.release:
            yield entry


def _snapshots(kernel: KernelPackage, cache: Cache) -> Iterator[Path]:
    for entry in cache.entries(snapshots.KIND):
        with suppress(OSError, ValueError, KeyError):  # damaged, or removed by another process
            if json.loads((entry / migration.FACTS).read_text())["release"] == kernel.release:
                yield entry
