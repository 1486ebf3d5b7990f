"""`kernels prune` removes kernels with their boot files and snapshots, but none in use."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.cli.kernel_list import removed
from dynptr_harness.commands.prune import prune
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.settings import Settings
from dynptr_harness.kernels.debian import store as debian_store
from dynptr_harness.kernels.debian.packages import KernelPackage

if TYPE_CHECKING:
    from pathlib import Path

RELEASES = ("5.10.0-46", "6.12.9", "6.12.90", "6.12.118~bpo", "7.3.4")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return a cache with five kernels. One is newer but built for another suite, so it is not the best."""
    settings = Settings(tmp_path)
    for release in RELEASES:
        store(settings, release)
    return settings


def store(settings: Settings, release: str) -> None:
    """Store a kernel of 1 MiB, its boot files, and a snapshot."""
    cache = Cache(settings.cache)
    kernel = KernelPackage(release, f"linux-image-{release}", release, "trixie", "~" not in release, ())

    def image(folder: Path) -> None:
        (folder / debian_store.PROVENANCE).write_text(json.dumps({"kernel": asdict(kernel)}))
        (folder / "vmlinuz").write_bytes(os.urandom(1 << 20))

    def snapshot(folder: Path) -> None:
        (folder / "facts.json").write_text(json.dumps({"release": release}))

    cache.entry(debian_store.KIND, kernel.key, image)
    cache.entry("boot", f"{release}-0123456789abcdef", lambda folder: (folder / "initramfs").touch())
    cache.entry("snapshots", f"key_of_{release.replace('~', '_')}", snapshot)


def left(settings: Settings) -> dict[str, int]:
    """Return the number of entries of each kind."""
    return {kind: len(Cache(settings.cache).entries(kind)) for kind in ("kernels", "boot", "snapshots")}


@pytest.mark.parametrize(
    ("selectors", "gone"),
    [
        ([], ["6.12.9", "6.12.118~bpo"]),
        (["6.12"], ["6.12.90", "6.12.9", "6.12.118~bpo"]),
        (["6.12.9", "7.3"], ["6.12.9", "7.3.4"]),
        (["7.?", "7.3.4"], ["7.3.4"]),
        (["all"], ["5.10.0-46", "6.12.90", "6.12.9", "6.12.118~bpo", "7.3.4"]),
        (["oldest"], ["6.12.90"]),
    ],
)
def test_a_kernel_is_removed_with_boot_files_and_snapshots(
    settings: Settings, selectors: list[str], gone: list[str]
) -> None:
    expected = [each.kernel.release for each in prune(selectors, settings, dry_run=True)]
    assert left(settings) == dict.fromkeys(("kernels", "boot", "snapshots"), len(RELEASES))
    removals = list(prune(selectors, settings))
    assert [each.kernel.release for each in removals] == expected == gone
    assert left(settings) == dict.fromkeys(("kernels", "boot", "snapshots"), len(RELEASES) - len(gone))
    assert {each.release for each in debian_store.cached(settings)} == {*RELEASES} - {*gone}
    assert all(each.size > 1 << 20 and each.snapshots == 1 for each in removals)
    *lines, last = removed(removals, dry_run=False)
    assert lines == [f"removed {release} with 1 snapshot: 1 MiB" for release in gone]
    assert last == f"freed {len(gone)} MiB"


def test_a_kernel_in_use_is_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def discard(_cache: Cache, kind: str, _key: str) -> bool:
        assert kind == debian_store.KIND, "a part of what is in use was removed"
        return False

    monkeypatch.setattr(Cache, "discard", discard)
    removals = list(prune(["7.3"], settings))
    assert list(removed(removals, dry_run=False)) == ["kept 7.3.4: a process uses it", "freed 0 MiB"]


def test_an_uncached_kernel_is_wrong_usage(
    settings: Settings,
) -> None:
    with pytest.raises(WrongUsage, match=r"the cache has no kernel '6\.13'; near: "):
        list(prune(["7.3", "6.13"], settings))
    assert left(settings)["kernels"] == len(RELEASES)


def test_nothing_is_removed_without_a_superseded_kernel(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    store(settings, "7.3.4")
    removals = list(prune([], settings))
    assert next(iter(removed(removals, dry_run=False))).startswith("nothing to remove")
