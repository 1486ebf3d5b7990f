"""The guest's root file system, without a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest_image import rootfs

if TYPE_CHECKING:
    from pathlib import Path


def test_versions_are_read_from_file_names() -> None:
    listing = "base-files_13.8+deb13u8_amd64.deb\nlibbpf1_1%3a1.5.0-3_amd64.deb\nlock\npartial\n"
    assert rootfs._versions(listing) == {"base-files": "13.8+deb13u8", "libbpf1": "1:1.5.0-3"}


@pytest.mark.parametrize("part", ["PACKAGES", "LEFT_OUT", "SUITE", "RECIPE_VERSION", "COMPILE_BYTECODE"])
def test_the_key_changes_with_each_part_of_the_recipe(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    before = rootfs.image_key()
    monkeypatch.setattr(rootfs, part, "something else")
    assert rootfs.image_key() != before


def test_offline_a_missing_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="guest image is not in the cache, and fetching") as caught:
        rootfs.ensure(Settings(tmp_path, offline=True), Silent())
    assert "dynptr-harness setup" in caught.value.hint
