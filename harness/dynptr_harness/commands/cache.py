"""The commands `cache` and `cache prune`: what the cache has, and the removal of entries."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core.cache import MANIFEST, Cache, disk_usage
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.guest_image import boot_files
from dynptr_harness.kernels import archives, build_tree, packages
from dynptr_harness.kernels.container_image import KIND as OCI_KERNELS
from dynptr_harness.kernels.debian import store
from dynptr_harness.kernels.debian.index import ARCHITECTURE
from dynptr_harness.vm import migration, snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.core.settings import Settings

RUNS, LISTS = "runs", "apt"  # directories that are no entries
DAY = 86400.0

# The content of each kind of entry, in the order of the list. All of it is built again when it is needed.
KINDS = {
    snapshots.KIND: "saved guests",
    store.KIND: "kernels of Debian",
    OCI_KERNELS: "kernels of container images",
    packages.KIND: "kernels of packages that are files",
    build_tree.KIND: "modules of build trees",
    boot_files.KIND: "initramfs and modules of each kernel",
    "guest-root": "the guest image",
    "guest-tree": "the guest image, unpacked",
    "payload": "agent and C programs, for the guest",
    "payload-tree": "the same, for the running kernel",
    "objects": "compiled C programs",
    "kvm-probe": "whether KVM boots a kernel",
    archives.KIND: "lists of the files in packages",
    RUNS: "consoles of the last runs",
    LISTS: "package lists of Debian",
}


@dataclass(frozen=True)
class Entry:
    """An entry of the cache, or a directory in it.

    Attributes:
        kind: one of `KINDS`.
        key: its name.
        kernel: release of its kernel, '' if it belongs to none or to all.
        size: disk space in bytes.
        last_used: seconds since 1970.
    """

    kind: str
    key: str
    kernel: str
    size: int
    last_used: float


@dataclass(frozen=True)
class EntryRemoval:
    """The removal of an entry. If a process uses it, it was kept."""

    entry: Entry
    in_use: bool = False


def entries(settings: Settings, kinds: Sequence[str] = ()) -> list[Entry]:
    """Return all entries of some kinds, or of all, in the order of `KINDS`.

    Raises:
        WrongUsage: there is no such kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise WrongUsage(f"{kind!r} is not a kind of cache entry", f"name one of {', '.join(KINDS)}")
    cache = Cache(settings.cache)
    return [
        _entry(kind, home, cache)
        for kind in KINDS
        if not kinds or kind in kinds
        for home in _homes(kind, cache)
    ]


def limits(settings: Settings) -> dict[str, int]:
    """Return the limit of the disk space of each kind that has one, in MiB."""
    return {snapshots.KIND: settings.snapshot_limit_mib, build_tree.KIND: build_tree.LIMIT_MIB}


def prune(
    settings: Settings, kinds: Sequence[str], *, unused_for: float = 0.0, dry_run: bool = False
) -> Iterator[EntryRemoval]:
    """Remove entries of some kinds and yield each removal. Entries in use are kept.

    Args:
        kinds: at least one of `KINDS`.
        unused_for: keep entries that were used in the last so many days.
        dry_run: remove nothing.
    """
    before = time.time() - unused_for * DAY
    cache = Cache(settings.cache)
    for entry in entries(settings, kinds):
        if entry.last_used <= before:
            yield EntryRemoval(entry, in_use=not dry_run and not _removed(entry, cache))


def _homes(kind: str, cache: Cache) -> list[Path]:
    if kind == LISTS:
        return [cache.directory / LISTS] if (cache.directory / LISTS).is_dir() else []
    if kind == RUNS:
        runs = cache.directory / RUNS
        return sorted(path for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []
    return cache.entries(kind)


def _entry(kind: str, home: Path, cache: Cache) -> Entry:
    used = home if kind in (RUNS, LISTS) else home / MANIFEST
    last_used = used.stat().st_mtime if used.exists() else 0.0
    key = "" if kind == LISTS else str(home.relative_to(cache.directory / kind))
    return Entry(kind, key, _kernel(kind, home), disk_usage(home), last_used)


def _kernel(kind: str, home: Path) -> str:
    """Return the release of the kernel of an entry, '' if it is damaged or has none."""
    if kind in (boot_files.KIND, build_tree.KIND):
        return home.name.rpartition("-")[0]
    files = {
        snapshots.KIND: migration.FACTS,
        store.KIND: store.PROVENANCE,
        OCI_KERNELS: "kernel.json",
        packages.KIND: "kernel.json",
    }
    with suppress(OSError, ValueError, KeyError, TypeError):
        if kind in files:
            facts = json.loads((home / files[kind]).read_text())
            return str(facts.get("kernel", facts)["release"])
    return ""


def _removed(entry: Entry, cache: Cache) -> bool:
    """Remove an entry and return True, unless a process uses it."""
    if entry.kind == LISTS:
        with cache.locked(LISTS, ARCHITECTURE):
            _remove_lists(cache.directory / LISTS)
        return True
    if entry.kind != RUNS:
        return cache.discard(entry.kind, entry.key)
    is_running = Path("/proc", entry.key.rpartition("-")[2]).exists()
    if not is_running:
        shutil.rmtree(cache.directory / RUNS / entry.key)
    return not is_running


def _remove_lists(directory: Path) -> None:
    """Remove the files of apt, but not the lock, which the caller holds."""
    for path in directory.glob("[!.]*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
