"""Kernel releases: their numbers, series and order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from dynptr_harness.core.kernel_version import KernelVersion, series_of


@pytest.mark.parametrize(
    ("release", "major_minor", "series"),
    [
        ("6.12.117+deb13-cloud-amd64", (6, 12), "6.12"),
        ("5.19-rc1", (5, 19), "5.19"),
        ("7.3.4", (7, 3), "7.3"),
        ("6.12", (6, 12), "6.12"),
        ("10.0", (10, 0), "10.0"),
    ],
)
def test_numbers_and_series(release: str, major_minor: tuple[int, int], series: str) -> None:
    version = KernelVersion(release)
    assert version.major_minor == major_minor
    assert version.series == series_of(release) == series


@pytest.mark.parametrize("release", ["vanilla", "6", "6-rc1", "v6.12", ""])
def test_a_release_without_two_numbers_is_its_own_series(release: str) -> None:
    assert KernelVersion(release).series == release
    with pytest.raises(ValueError, match=f"not a kernel release: {release!r}"):
        _ = KernelVersion(release).major_minor


@pytest.mark.parametrize(
    "oldest_first",
    [
        ["5.10.262", "5.15.3", "6.1.2", "6.12.9", "6.12.117", "7.3.4"],
        ["6.9", "6.10", "6.12"],
        ["6.12.0-rc1", "6.12.0-rc2", "6.12.0-rc10", "6.12.0", "6.12.1"],
        ["6.11.9", "6.12~rc6-cloud-amd64", "6.12.1-cloud-amd64"],
        ["6.12.117+deb13-cloud-amd64", "6.12.117+deb14-cloud-amd64", "6.12.118+deb13-cloud-amd64"],
        ["6.1.0-9-cloud-amd64", "6.1.0-41-cloud-amd64"],
        ["6.12.0-0.rc1.fc42", "6.12.0-55.fc42"],
        ["6.12.1-a", "6.12.1-b"],
        ["vanilla", "5.10.1"],
    ],
)
def test_releases_are_ordered(oldest_first: list[str]) -> None:
    versions = [KernelVersion(release) for release in oldest_first]
    assert all(one < other and other > one and one != other for one, other in pairwise(versions))
    newest_first = versions[::-1]
    assert sorted(newest_first) == versions


def test_equal_releases_are_equal() -> None:
    assert KernelVersion("6.12.1") == KernelVersion("6.12.1")
    assert KernelVersion("6.12.1") <= KernelVersion("6.12.1")
