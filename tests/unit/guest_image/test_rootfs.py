"""The guest's root file system, as far as it can be seen without making one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import rootfs

if TYPE_CHECKING:
    from pathlib import Path


def test_versions_are_read_from_the_names_of_packages() -> None:
    listing = "base-files_13.8+deb13u8_amd64.deb\nlibbpf1_1%3a1.5.0-3_amd64.deb\nlock\npartial\n"
    assert rootfs._versions(listing) == {"base-files": "13.8+deb13u8", "libbpf1": "1:1.5.0-3"}


@pytest.mark.parametrize("part", ["PACKAGES", "LEFT_OUT", "SUITE", "RECIPE_VERSION", "COMPILE_BYTECODE"])
def test_the_key_changes_with_each_part_of_the_recipe(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    before = rootfs.image_key()
    monkeypatch.setattr(rootfs, part, "something else")
    assert rootfs.image_key() != before


def test_offline_an_image_that_is_not_in_the_cache_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="guest image is not in the cache, and nothing") as caught:
        rootfs.ensure(Settings(tmp_path, offline=True), Silent())
    assert "dynptr-harness setup" in caught.value.hint
