"""The kernels that a selector matches if series are missing or incomplete."""

from __future__ import annotations

import pytest
from dynptr_harness.kernels.debian.matching import fitting, pick
from dynptr_harness.kernels.debian.packages import KernelPackage, ranked
from dynptr_harness.kernels.selectors import is_set


def kernel(release: str, *missing: str, own: bool = True) -> KernelPackage:
    return KernelPackage(release, f"linux-image-{release}", f"{release}-1", "suite", own, (), missing)


KERNELS = ranked(
    [
        kernel("7.4.1", "linux-modules-7.4.1"),
        kernel("7.3.4"),
        kernel("7.3.5", "linux-modules-7.3.5"),
        kernel("6.12.117"),
        kernel("6.12.118", own=False),
        kernel("6.12.9"),
        kernel("6.1.2", "linux-modules-6.1.2"),
        kernel("5.15.3"),
        kernel("5.10.262"),
    ]
)


@pytest.mark.parametrize(
    ("selector", "releases"),
    [
        ("all", "5.10.262 5.15.3 6.1.2! 6.12.117 7.3.4 7.4.1!"),
        ("oldest", "6.1.2! 6.12.117"),
        ("newest", "7.4.1! 7.3.4"),
        ("7.*", "7.3.4 7.4.1!"),
        ("[67].[13]", "6.1.2! 7.3.4"),
        ("7.3.*", "7.3.4 7.3.5!"),
        ("7.3", "7.3.4"),
        ("7.3.5", "7.3.5!"),
        ("6.12.118-1", "6.12.118"),
        ("6.12.11", ""),
        ("6.13*", ""),
    ],
)
def test_a_selector_picks_the_best_and_the_incomplete_kernels(selector: str, releases: str) -> None:
    picks = pick(selector, KERNELS)
    assert " ".join(each.kernel.release + "!" * bool(each.kernel.missing) for each in picks) == releases


@pytest.mark.parametrize(
    ("selector", "meant", "of_several"),
    [
        ("all", "7.3", True),
        ("7.*", "7.3", True),
        ("7.3.*", "7.3.4", True),
        ("7.3", "7.3", False),
        ("7.3.4", "7.3.4", False),
    ],
)
def test_a_substitute_must_match_the_series_or_the_release(
    selector: str, meant: str, of_several: bool
) -> None:
    assert [each.meant for each in pick(selector, KERNELS) if each.kernel.release == "7.3.4"] == [meant]
    assert is_set(selector) is of_several


def test_fitting_returns_all_matches() -> None:
    assert [each.release for each in fitting("6.12", KERNELS)] == ["6.12.117", "6.12.9", "6.12.118"]
    assert len(fitting("all", KERNELS)) == len(KERNELS)
