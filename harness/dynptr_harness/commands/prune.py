"""Kernels of the cache that are to go, with all that was derived from them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core.cache import Cache, room_taken
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.guest_image import boot_files
from dynptr_harness.kernels.debian import store
from dynptr_harness.kernels.debian.packages import best_of_series
from dynptr_harness.kernels.selectors import fitting, hint
from dynptr_harness.vm import machine
from dynptr_harness.vm import snapshots as snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.debian.packages import KernelPackage


@dataclass(frozen=True)
class Removal:
    """What became of a kernel of the cache, or would.

    Attributes:
        kernel: which.
        size: bytes on the disk of its files, and of boot files and snapshots of its release.
        snapshots: how many of these there are.
        in_use: a process uses it, so that nothing was removed.
    """

    kernel: KernelPackage
    size: int
    snapshots: int
    in_use: bool = False


def prune(selectors: Sequence[str], settings: Settings, *, dry_run: bool = False) -> Iterator[Removal]:
    """Remove kernels from the cache; without a selector those of which it has a better one of the series.

    What a process uses stays, all of it. Each removal is told when it is done.

    Args:
        selectors: as in `dynptr_harness.kernels.choose`; but 'all', a series and a pattern mean all that fit.
        dry_run: only tell.

    Raises:
        WrongUsage: a selector fits no kernel of the cache; nothing was removed.
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
            f"the cache has no kernel {selector!r}{hint(selector, stored)}",
            "'dynptr-harness kernels --offline' lists those it has",
        )
    return found


def _removed(kernel: KernelPackage, cache: Cache, *, dry_run: bool) -> Removal:
    """The kernel goes first: who uses the rest was given the kernel too."""
    derived = [*_boot_files(kernel, cache), *(snapshots := list(_snapshots(kernel, cache)))]
    entries = [cache.folder / store.KIND / kernel.key, *derived]
    removal = Removal(kernel, sum(map(room_taken, entries)), len(snapshots))
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
    for entry in cache.entries(snapshot.KIND):
        with suppress(OSError, ValueError, KeyError):  # damaged, or removed just now: not ours to tell
            if json.loads((entry / machine.FACTS).read_text())["release"] == kernel.release:
                yield entry
