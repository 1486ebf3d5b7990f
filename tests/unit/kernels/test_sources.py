"""The sources of kernels: which selector belongs to which."""

from __future__ import annotations

from pathlib import Path

import pytest
from dynptr_harness import kernels
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.kernels.source import Choice, KernelSource

SELECTORS = {
    "bzImage": ["./bzImage", "/boot/vmlinuz-6.12.1", "6.12/bzImage", "a*/bzImage", "a,b/bzImage"],
    ".deb": ["./linux.deb", "kernel-6.12.rpm", "linux-6.12.tar.zst", "dir/*.deb", "*_6.12*.deb"],
    "oci:": ["oci:example.org/kernel:6.12", "oci:", "oci:./file"],
    "series": ["6.12", "6.12.107", "6.12.107-1", "6.*", "[67].1", "all", "oldest", "newest"],
}


@pytest.mark.parametrize(
    ("name", "selector"), [(name, selector) for name, each in SELECTORS.items() for selector in each]
)
def test_the_first_source_that_matches_a_selector_gets_it(name: str, selector: str) -> None:
    source = next(each for each in kernels.SOURCES if each.matches(selector))
    assert name in source.help


def test_a_file_precedes_the_series_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "6.12").touch()
    assert kernels.path_of("6.12") == Path("6.12")
    assert kernels.path_of("6.13") is None


@pytest.mark.parametrize(
    ("selector", "path"),
    [("boot/bzImage", Path("boot/bzImage")), ("oci:a/b", None), ("6.12", None), ("host", None)],
)
def test_only_a_selector_of_a_file_has_a_path(selector: str, path: Path | None) -> None:
    assert kernels.path_of(selector) == path


class Imaginary(KernelSource):
    """A source with one kernel."""

    help = "imaginary:NAME"

    def matches(self, selector: str) -> bool:
        return selector.startswith("imaginary:")

    def choose(self, selector: str, **_: object) -> list[Choice]:
        return [Choice(selector, "one name", NotImplemented)]


def test_a_new_source_needs_one_entry_in_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SOURCES", (Imaginary(), *kernels.SOURCES))
    settings, progress = Settings(tmp_path), Silent()
    (choice,) = kernels.choose(["imaginary:a", "imaginary:b"], settings=settings, progress=progress)
    assert choice.selector == "imaginary:a"
    with pytest.raises(WrongUsage, match="which has its own modules"):
        kernels.choose(["imaginary:a"], settings=settings, progress=progress, modules=tmp_path)
    with pytest.raises(WrongUsage) as caught:
        kernels.choose(["nothing"], settings=settings, progress=progress)
    assert caught.value.hint.endswith(" or imaginary:NAME")
