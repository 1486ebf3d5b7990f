"""The choice of Debian kernels, with and without a mirror."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.kernels.debian import apt, index
from dynptr_harness.kernels.debian import source as debian
from dynptr_harness.kernels.debian import store as debian_store
from dynptr_harness.kernels.debian.packages import KernelPackage, PackageFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from dynptr_harness.kernels.model import Kernel


class Row(NamedTuple):
    """A package in the archive below."""

    name: str
    version: str
    suite: str
    source: str
    depends: str


def package(
    name: str, version: str, suite: str, source: str = "linux-signed-amd64", depends: str = ""
) -> Row:
    return Row(f"{name}-cloud-amd64", version, suite, source, depends)


def parts_of_7(release: str, version: str, *parts: str) -> str:
    """Return the dependencies of a 7.x image."""
    exact = [f"linux-{part}-{release}-cloud-amd64 (= {version})" for part in parts]
    return ", ".join(["dracut | initramfs-tools (>= 0.120)", *exact])


SERVED = (
    package("linux-image", "6.12.117-1", "trixie"),
    package("linux-image-6.12", "6.12.117-1", "trixie"),
    package("linux-image-5.10.0-46", "5.10.262-1", "bullseye-security"),
    package("linux-image-6.1.0-9", "6.1.27-1", "bookworm"),
    package("linux-image-6.1.0-56", "6.1.192-2", "bookworm-security"),
    package(
        "linux-image-6.1.0-0.deb11.60", "6.1.199-1~deb11u1", "bullseye-security", "linux-signed-6.1-amd64"
    ),
    package("linux-image-6.12.9+deb13", "6.12.9-1", "trixie"),
    package("linux-image-6.12.116+deb13", "6.12.116-1", "trixie-security"),
    package("linux-image-6.12.117+deb13", "6.12.117-1", "trixie-security"),
    package("linux-image-6.12.117+deb13", "6.12.117-1", "trixie"),
    package(
        "linux-image-6.12.118+deb12", "6.12.118-1~deb12u1", "bookworm-security", "linux-signed-6.12-amd64"
    ),
    # Listed without its modules.
    package(
        "linux-image-7.1.13+deb13",
        "7.1.13-1",
        "trixie-backports",
        depends=parts_of_7("7.1.13+deb13", "7.1.13-1", "binary", "modules"),
    ),
    package("linux-binary-7.1.13+deb13", "7.1.13-1", "trixie-backports"),
    # Its dependency is not listed, but a boot does not need it.
    package(
        "linux-image-6.18.15+deb13",
        "6.18.15-1",
        "trixie-backports",
        depends=parts_of_7("6.18.15+deb13", "6.18.15-1", "base"),
    ),
    # The newest kernel. Its modules have another version.
    package(
        "linux-image-7.3.5+deb13",
        "7.3.5-1",
        "trixie-backports",
        depends=parts_of_7("7.3.5+deb13", "7.3.5-1", "binary", "modules"),
    ),
    package("linux-binary-7.3.5+deb13", "7.3.5-1", "trixie-backports"),
    package("linux-modules-7.3.5+deb13", "7.3.5-2", "trixie-backports"),
    package(
        "linux-image-7.3.4+deb13",
        "7.3.4-1",
        "trixie-backports",
        depends=parts_of_7("7.3.4+deb13", "7.3.4-1", "binary", "modules"),
    ),
    package(
        "linux-binary-7.3.4+deb13",
        "7.3.4-1",
        "trixie-backports",
        depends=parts_of_7("7.3.4+deb13", "7.3.4-1", "base"),
    ),
    package("linux-modules-7.3.4+deb13", "7.3.4-1", "trixie-backports"),
    package("linux-base-7.3.4+deb13", "7.3.4-1", "trixie-backports"),
)


class FakeArchive:
    """Debian's archive: complete, unreachable, without some lists, or with old ones."""

    served: tuple[Row, ...] = SERVED
    unreachable = False
    without: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()
    updates = 0

    def __init__(self, settings: Settings, _architecture: str) -> None:
        self.directory = settings.cache / "apt"

    def lock(self) -> AbstractContextManager[None]:
        return nullcontext()

    def update(self) -> list[str]:
        FakeArchive.updates += 1
        if self.unreachable:
            raise apt.MirrorFailed("none of the lists can be fetched")
        self.directory.mkdir(parents=True, exist_ok=True)
        return [f"Failed to fetch {suite}" for suite in (*self.without, *self.outdated)]

    def lacking(self) -> list[str]:
        return list(self.without)

    def apt(self, _tool: str, command: str, *_names: str, what: str) -> str:
        assert what
        if command == "pkgnames":
            return "\n".join(row.name for row in self.served) + "\nlinux-doc\n"
        assert command == "madison"
        lines = (f" {row.name} | {row.version} | mirror://x {row.suite}/main amd64" for row in self.served)
        return "\n".join(lines)

    def stanzas(self, _names: Iterable[str]) -> Iterator[dict[str, str]]:
        for row in self.served:
            yield {
                "Package": row.name,
                "Version": row.version,
                "Source": f"{row.source} ({row.version})",
                "SHA256": f"sum of {row.name}",
                "Size": "1000",
                "Depends": row.depends,
            }

    def download(self, packages: Iterable[str], _directory: Path) -> None:
        raise apt.MirrorFailed(f"cannot download {', '.join(packages)}")


@pytest.fixture(autouse=True)
def archive(monkeypatch: pytest.MonkeyPatch) -> type[FakeArchive]:
    for name in ("served", "unreachable", "without", "outdated", "updates"):
        monkeypatch.setattr(FakeArchive, name, getattr(FakeArchive, name))
    monkeypatch.setattr(apt, "Archive", FakeArchive)
    return FakeArchive


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path)


def chosen(selector: str, settings: Settings) -> list[str]:
    """Return the releases that a selector matches."""
    picks = debian.choose(selector, settings, Silent())
    return [pick.kernel.release.removesuffix("-cloud-amd64") for pick in picks]


def fetched(selector: str, settings: Settings) -> Kernel:
    """Fetch the one kernel that a selector matches."""
    (pick,) = debian.choose(selector, settings, Silent())
    return debian.fetch(pick, settings, Silent())


@pytest.mark.parametrize(
    ("selector", "release"),
    [
        ("5.10", "5.10.0-46"),
        ("6.1", "6.1.0-56"),
        ("6.12", "6.12.117+deb13"),
        ("6.18", "6.18.15+deb13"),
        ("7.3", "7.3.4+deb13"),
        ("newest", "7.3.4+deb13"),
        ("oldest", "6.1.0-56"),
        ("6.12.116", "6.12.116+deb13"),
        ("6.12.9", "6.12.9+deb13"),
        ("6.12.118", "6.12.118+deb12"),
        ("6.12.117+deb13-cloud-amd64", "6.12.117+deb13"),
        ("6.1.27", "6.1.0-9"),
        ("6.1.0-9", "6.1.0-9"),
        ("6.1.0-0.deb11.60-cloud-amd64", "6.1.0-0.deb11.60"),
    ],
)
def test_a_selector_chooses_the_best_match(settings: Settings, selector: str, release: str) -> None:
    assert chosen(selector, settings) == [release]


@pytest.mark.parametrize(
    ("selector", "releases"),
    [
        ("all", ["5.10.0-46", "6.1.0-56", "6.12.117+deb13", "6.18.15+deb13", "7.3.4+deb13"]),
        ("6.*", ["6.1.0-56", "6.12.117+deb13", "6.18.15+deb13"]),
        ("7.?", ["7.3.4+deb13"]),
        ("6.12.*", ["6.12.117+deb13", "6.12.116+deb13", "6.12.9+deb13", "6.12.118+deb12"]),
        ("6.12.11[67]-1", ["6.12.117+deb13", "6.12.116+deb13"]),
    ],
)
def test_a_pattern_chooses_the_best_of_each_series_or_every_matching_release(
    settings: Settings, selector: str, releases: list[str]
) -> None:
    assert chosen(selector, settings) == releases


@pytest.mark.parametrize("selector", ["all", "7.*"])
def test_an_incomplete_kernel_is_skipped_with_a_warning(
    settings: Settings, caplog: pytest.LogCaptureFixture, selector: str
) -> None:
    assert chosen(selector, settings)[-1] == "7.3.4+deb13"
    assert "7.1.13+deb13-cloud-amd64 lacks linux-modules-7.1.13+deb13-cloud-amd64" in caplog.text
    assert "7.3" not in caplog.text


@pytest.mark.parametrize(
    "selector", ["6.11", "7.1", "7.1.*", "8.*", "6.12.11", "6.12.118+deb13", "6.1.0-5", "6.12-cloud-amd64"]
)
def test_a_selector_without_a_complete_kernel_is_wrong_usage(settings: Settings, selector: str) -> None:
    with pytest.raises(WrongUsage, match="serves no complete kernel") as caught:
        debian.choose(selector, settings, Silent())
    assert "series 5.10, 6.1, 6.12, 6.18, 7.3" in caught.value.hint
    assert ("lacks linux-modules-7.1.13" in caught.value.fact) is selector.startswith("7.1")


def test_a_mistyped_release_gets_similar_ones_as_a_hint(settings: Settings) -> None:
    with pytest.raises(WrongUsage) as caught:
        debian.choose("6.12.171+deb13-cloud-amd64", settings, Silent())
    assert "near: 6.12.117+deb13-cloud-amd64" in caught.value.fact


def test_the_parts_of_an_empty_image_are_its_dependencies(settings: Settings) -> None:
    ((newest, _meant),) = [(each.kernel, each.meant) for each in debian.choose("7.3", settings, Silent())]
    assert [part.name.split("-")[1] for part in newest.parts] == ["image", "binary", "base", "modules"]
    assert newest.download_size == 4000


def test_known_kernels_are_sorted_by_series_and_rank(settings: Settings) -> None:
    kernels, troubles = debian.known(settings, Silent())
    found = [(each.series, each.version, each.own) for each in kernels if not each.missing]
    assert found == [
        ("5.10", "5.10.262-1", True),
        ("6.1", "6.1.192-2", True),
        ("6.1", "6.1.27-1", True),
        ("6.1", "6.1.199-1~deb11u1", False),
        ("6.12", "6.12.117-1", True),
        ("6.12", "6.12.116-1", True),
        ("6.12", "6.12.9-1", True),
        ("6.12", "6.12.118-1~deb12u1", False),
        ("6.18", "6.18.15-1", True),
        ("7.3", "7.3.4-1", True),
    ]
    assert [each.version for each in kernels if each.missing] == ["7.1.13-1", "7.3.5-1"]
    assert troubles == []


def age_lists(settings: Settings, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(settings.cache / "apt" / "kernels.json", (then, then))


def mirror_changes(settings: Settings) -> Settings:
    return replace(settings, mirror="mirror://other")


def half_a_day_passes(settings: Settings) -> Settings:
    age_lists(settings, index.LISTS_AGE + 1)
    return settings


def an_hour_passes(settings: Settings) -> Settings:
    age_lists(settings, 3600)
    return settings


def nothing_happens(settings: Settings) -> Settings:
    return settings


def the_index_is_damaged(settings: Settings) -> Settings:
    (settings.cache / "apt" / "kernels.json").write_text('{"mirror')
    return settings


def the_index_has_another_format(settings: Settings) -> Settings:
    (settings.cache / "apt" / "kernels.json").write_text('{"mirror": null, "kernels": [{"name": "x"}]}')
    return settings


@pytest.mark.parametrize(
    ("event", "selector", "updates"),
    [
        (nothing_happens, "6.12", 1),
        (nothing_happens, "6.99", 1),
        (an_hour_passes, "6.12", 1),
        (an_hour_passes, "all", 1),
        (an_hour_passes, "6.99", 2),
        (an_hour_passes, "6.99*", 2),
        (an_hour_passes, "7.1", 2),
        (half_a_day_passes, "6.12", 2),
        (mirror_changes, "6.12", 2),
        (the_index_is_damaged, "6.12", 2),
        (the_index_has_another_format, "6.12", 2),
    ],
)
def test_lists_are_fetched_again_only_if_needed(
    settings: Settings,
    archive: type[FakeArchive],
    event: Callable[[Settings], Settings],
    selector: str,
    updates: int,
) -> None:
    debian.known(settings, Silent())
    with suppress(WrongUsage):
        debian.choose(selector, event(settings), Silent())
    assert archive.updates == updates


def test_a_kernel_of_a_missing_list_is_a_failure_of_the_mirror(
    settings: Settings, archive: type[FakeArchive]
) -> None:
    archive.without = ("trixie-backports",)
    archive.served = tuple(row for row in SERVED if row.suite != "trixie-backports")
    with pytest.raises(apt.MirrorFailed, match=r"no kernel '7\.3' in the lists .* trixie-backports"):
        debian.choose("7.3", settings, Silent())


@pytest.mark.parametrize("selector", ["all", "newest", "6.*"])
def test_a_keyword_or_pattern_needs_all_lists(
    settings: Settings, archive: type[FakeArchive], selector: str
) -> None:
    store(settings, "6.12.9+deb13-cloud-amd64", "6.12.9-1")
    archive.without = ("trixie-backports",)
    for _attempt in ("fetched", "kept"):
        with pytest.raises(
            apt.MirrorFailed, match=r"needs all of Debian's lists: .* trixie-backports"
        ) as caught:
            debian.choose(selector, settings, Silent())
        assert "--offline" in caught.value.hint
    assert archive.updates == 1


def test_an_old_list_is_used_with_a_warning(
    settings: Settings, archive: type[FakeArchive], caplog: pytest.LogCaptureFixture
) -> None:
    archive.outdated = ("trixie-backports",)
    for _attempt in ("fetched", "kept"):
        caplog.clear()
        assert chosen("7.*", settings) == ["7.3.4+deb13"]
        assert "Failed to fetch trixie-backports" in caplog.text


def test_a_missing_list_is_fetched_again_soon(settings: Settings, archive: type[FakeArchive]) -> None:
    archive.without = ("trixie-security",)
    debian.known(settings, Silent())
    debian.known(an_hour_passes(settings), Silent())
    assert archive.updates == 2


def store(settings: Settings, release: str, version: str) -> None:
    """Put a kernel into the cache."""
    name = f"linux-image-{release}"
    kernel = KernelPackage(
        release, name, version, "trixie", own=True, parts=(PackageFile(name, version, "sum"),)
    )
    provenance = {"kernel": asdict(kernel), "image_sha256": f"sha of {release}"}

    def build(directory: Path) -> None:
        (directory / debian_store.PROVENANCE).write_text(json.dumps(provenance))

    Cache(settings.cache).entry(debian_store.KIND, kernel.key, build)


@pytest.mark.parametrize("reach", ["no lists", "lists, no packages"])
def test_without_a_mirror_the_newest_cached_kernel_is_used_with_a_warning(
    settings: Settings, archive: type[FakeArchive], caplog: pytest.LogCaptureFixture, reach: str
) -> None:
    archive.unreachable = reach == "no lists"
    for number in ("9", "105", "96"):
        store(settings, f"6.12.{number}+deb13-cloud-amd64", f"6.12.{number}-1")
    kernel = fetched("6.12", settings)
    assert kernel.release == "6.12.105+deb13-cloud-amd64"
    assert kernel.sha256 == "sha of 6.12.105+deb13-cloud-amd64"
    assert f"using {kernel.release} from the cache" in caplog.text


def test_without_a_mirror_and_a_cached_match_the_mirror_has_failed(
    settings: Settings, archive: type[FakeArchive]
) -> None:
    archive.unreachable = True
    store(settings, "6.12.9+deb13-cloud-amd64", "6.12.9-1")
    with pytest.raises(apt.MirrorFailed, match="none of the lists"):
        debian.choose("6.1", settings, Silent())


@pytest.mark.parametrize("selector", ["all", "oldest", "6.1*"])
def test_without_a_mirror_a_keyword_or_pattern_is_a_failure_of_the_mirror(
    settings: Settings, archive: type[FakeArchive], selector: str
) -> None:
    archive.unreachable = True
    store(settings, "6.12.9+deb13-cloud-amd64", "6.12.9-1")
    with pytest.raises(apt.MirrorFailed, match="none of the lists") as caught:
        debian.choose(selector, settings, Silent())
    assert "--offline" in caught.value.hint


def test_only_a_kernel_of_the_same_series_replaces_one_that_cannot_be_downloaded(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    store(settings, "6.12.9+deb13-cloud-amd64", "6.12.9-1")
    picks = {each.kernel.series: each for each in debian.choose("all", settings, Silent())}
    assert debian.fetch(picks["6.12"], settings, Silent()).release == "6.12.9+deb13-cloud-amd64"
    assert "using 6.12.9+deb13-cloud-amd64 from the cache" in caplog.text
    with pytest.raises(apt.MirrorFailed, match=r"cannot download linux-image-6\.1"):
        debian.fetch(picks["6.1"], settings, Silent())


def test_a_damaged_kernel_does_not_replace_itself(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    store(settings, "6.12.117+deb13-cloud-amd64", "6.12.117-1")
    (image,) = settings.cache.glob(f"{debian_store.KIND}/*/{debian_store.PROVENANCE}")
    (pick,) = debian.choose("6.12", settings, Silent())
    image.with_name("vmlinuz").touch()
    with pytest.raises(apt.MirrorFailed, match=r"cannot download linux-image-6\.12\.117"):
        debian.fetch(pick, settings, Silent())
    assert "from the cache" not in caplog.text


def test_a_cached_kernel_can_be_chosen_after_debian_dropped_it(settings: Settings) -> None:
    store(settings, "6.16.12+deb13-cloud-amd64", "6.16.12-1")
    store(settings, "7.1.13+deb13-cloud-amd64", "7.1.13-1")
    assert chosen("6.16", settings) == ["6.16.12+deb13"]
    assert {"6.16.12+deb13", "7.1.13+deb13"} < set(chosen("all", settings))


@pytest.mark.parametrize(
    ("selector", "releases"),
    [
        ("6.12", ["6.12.105+deb13"]),
        ("all", ["5.10.0-46", "6.12.105+deb13"]),
        ("oldest", ["6.12.105+deb13"]),
        ("6.12.9", ["6.12.9+deb13"]),
        ("6.12.*", ["6.12.105+deb13", "6.12.9+deb13"]),
    ],
)
def test_offline_only_the_cache_is_used(
    settings: Settings, archive: type[FakeArchive], selector: str, releases: list[str]
) -> None:
    for number in ("9", "105"):
        store(settings, f"6.12.{number}+deb13-cloud-amd64", f"6.12.{number}-1")
    store(settings, "5.10.0-46-cloud-amd64", "5.10.262-1")
    assert chosen(selector, replace(settings, offline=True)) == releases
    assert archive.updates == 0


@pytest.mark.parametrize(
    ("stored", "selector", "words"),
    [
        (True, "7.3", r"one of those it has \(6\.12\)"),
        (True, "7.*", r"one of those it has \(6\.12\)"),
        (False, "6.12", "it is empty"),
        (False, "all", "it is empty"),
    ],
)
def test_offline_a_kernel_that_is_not_cached_is_a_failure_of_the_environment(
    settings: Settings, stored: bool, selector: str, words: str
) -> None:
    if stored:
        store(settings, "6.12.9+deb13-cloud-amd64", "6.12.9-1")
    with pytest.raises(EnvironmentFailed, match=r"no kernel .* fetching is disabled") as caught:
        debian.choose(selector, replace(settings, offline=True), Silent())
    assert re.search(words, caught.value.hint)


def test_a_cached_release_needs_no_mirror(settings: Settings, archive: type[FakeArchive]) -> None:
    store(settings, "6.12.9+deb13-cloud-amd64", "6.12.9-1")
    assert fetched("6.12.9+deb13-cloud-amd64", settings).series == "6.12"
    assert archive.updates == 0


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_text("{")])
def test_a_damaged_cached_kernel_is_ignored(settings: Settings, damage: Callable[[Path], object]) -> None:
    store(settings, "6.12.9+deb13-cloud-amd64", "6.12.9-1")
    (provenance,) = settings.cache.glob(f"{debian_store.KIND}/*/{debian_store.PROVENANCE}")
    damage(provenance)
    assert debian_store.cached(settings) == []
    assert chosen("6.12.9", settings) == ["6.12.9+deb13"]
