"""The command `kernels`, and completion of kernels, with fake package lists."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from dynptr_harness import cli
from dynptr_harness.cli import completion
from dynptr_harness.cli.kernel_list import as_lines
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.settings import Settings
from dynptr_harness.core.signals import SIGNALS
from dynptr_harness.kernels.debian import store
from dynptr_harness.kernels.debian.index import Index
from dynptr_harness.kernels.debian.packages import KernelPackage, PackageFile, ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def available(release: str, suite: str, size: int = 0, *missing: str) -> KernelPackage:
    """Return a kernel that is not cached."""
    name, version = f"linux-image-{release}", release.partition("+")[0] + "-1"
    parts = (PackageFile(name, version, "sum", size),)
    return KernelPackage(release, name, version, suite, own=True, parts=parts, missing=missing)


SERVED = (
    available("5.10.0-46", "bullseye-security", 50 << 20),
    available("6.12.116+deb13", "trixie-security", 34 << 20),
    available("6.12.117+deb13", "trixie", 35 << 20),
    available("7.1.13+deb13", "trixie-backports", 1 << 20, "linux-modules-7.1.13+deb13"),
    available("7.3.4+deb13", "trixie-backports", 38 << 20),
)
CACHED = (SERVED[2], available("6.16.12+deb13", "trixie-backports"))


class Ended(NamedTuple):
    """The exit status and output of a command."""

    status: int
    out: str
    err: str


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return a cache with new package lists and two kernels. The lists no longer have one of these."""
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(tmp_path))
    for name in ("MIRROR", "OFFLINE"):
        monkeypatch.delenv(f"DYNPTR_HARNESS_{name}", raising=False)
    settings = Settings(tmp_path)
    (tmp_path / "apt").mkdir()
    Index(0.0, ranked(SERVED)).write(settings)
    for kernel in CACHED:
        provenance = json.dumps({"kernel": asdict(kernel), "image_sha256": "sum"})

        def build(folder: Path, provenance: str = provenance) -> None:
            (folder / store.PROVENANCE).write_text(provenance)
            (folder / "vmlinuz").write_bytes(b"x" * (2 << 20))

        Cache(tmp_path).entry(store.KIND, kernel.key, build)
    return settings


@pytest.fixture
def command(
    settings: Settings,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., Ended]]:
    """Return a function that runs `kernels` in this process."""

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["dynptr-harness", "kernels", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_best_of_each_series_and_the_cache_are_listed(
    command: Callable[..., Ended],
) -> None:
    heading, *rows = command().out.splitlines()
    assert heading.split() == ["SERIES", "RELEASE", "VERSION", "SUITE", "SIZE", "STATE"]
    assert [row.split(maxsplit=6) for row in rows] == [
        ["5.10", "5.10.0-46", "5.10.0-46-1", "bullseye-security", "50", "MiB", "to be fetched"],
        ["6.12", "6.12.117+deb13", "6.12.117-1", "trixie", "2", "MiB", "cached"],
        ["6.16", "6.16.12+deb13", "6.16.12-1", "trixie-backports", "2", "MiB", "cached"],
        ["7.1", "7.1.13+deb13", "7.1.13-1", "trixie-backports", "incomplete:", "Debian",
         "does not serve linux-modules-7.1.13+deb13"],
        ["7.3", "7.3.4+deb13", "7.3.4-1", "trixie-backports", "38", "MiB", "to be fetched"],
    ]  # fmt: skip


def test_a_narrow_terminal_shows_fewer_columns_and_whole_words() -> None:
    kernel = available(
        "6.19.14+deb13-cloud-amd64", "trixie-backports", 0, "linux-modules-6.19.14+deb13-cloud-amd64"
    )
    lines = list(as_lines([*SERVED, kernel], {}, 80))
    assert lines[0].split() == ["SERIES", "RELEASE", "SIZE", "STATE"]
    assert all(len(line) <= 80 for line in lines)
    assert lines[-1].split() == ["6.19", "6.19.14+deb13-cloud-amd64", "incomplete:", "no", "linux-modules"]


@pytest.mark.parametrize(
    ("arguments", "releases"),
    [
        (["--all"], ["5.10.0-46", "6.12.117+deb13", "6.12.116+deb13", "6.16.12+deb13", "7.1.13+deb13",
                     "7.3.4+deb13"]),
        (["6.12"], ["6.12.117+deb13", "6.12.116+deb13"]),
        (["list", "7.*", "6.12.116"], ["6.12.116+deb13", "7.1.13+deb13", "7.3.4+deb13"]),
        (["oldest", "newest"], ["6.12.117+deb13", "7.3.4+deb13"]),
        (["--offline"], ["6.12.117+deb13", "6.16.12+deb13"]),
    ],
)  # fmt: skip
def test_kernels_are_selected_by_name_and_all(
    command: Callable[..., Ended], arguments: list[str], releases: list[str]
) -> None:
    made = json.loads(command(*arguments, "--json").out)
    assert [row["release"] for row in made["kernels"]] == releases


def test_kernels_json_has_all_fields(command: Callable[..., Ended]) -> None:
    made: dict[str, Any] = json.loads(command("--json", "6.12.117", "7.1").out)
    cached, incomplete = made["kernels"]
    assert cached == {
        "series": "6.12",
        "release": "6.12.117+deb13",
        "package": "linux-image-6.12.117+deb13",
        "version": "6.12.117-1",
        "suite": "trixie",
        "cached": True,
        "disk_size": cached["disk_size"],
        "download_size": 35 << 20,
        "missing": [],
    }
    assert cached["disk_size"] >= 2 << 20
    assert incomplete["missing"] == ["linux-modules-7.1.13+deb13"]
    assert made["troubles"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["6.13"], 2, ["there is no kernel '6.13'; near: ", "kernels --all"]),
        (["fetch"], 2, ["KERNEL"]),
        (
            ["fetch", "latest"],
            2,
            ["'latest' is not a kernel", "oldest, newest, all", "or oci:IMAGE"],
        ),
        (["fetch", "6.12,7.3"], 2, ["once for each"]),
        (["fetch", "7.1"], 2, ["7.1.13+deb13 lacks linux-modules-7.1.13+deb13"]),
        (["prune", "7.3"], 2, ["the cache has no kernel '7.3'", "kernels --offline"]),
    ],
)
def test_an_unknown_kernel_is_one_message(
    command: Callable[..., Ended], arguments: list[str], status: int, words: list[str]
) -> None:
    ended = command(*arguments)
    assert (ended.status, ended.out) == (status, "")
    assert all(word in ended.err for word in words), ended.err


def test_a_cached_kernel_needs_no_mirror(command: Callable[..., Ended]) -> None:
    ended = command("fetch", "6.12", "6.12.117", "6.16")
    assert ended.status == 0, ended
    assert [line.split()[0] for line in ended.out.splitlines()] == ["6.12.117+deb13", "6.16.12+deb13"]


def test_prune_prints_removals_and_freed_space(command: Callable[..., Ended], settings: Settings) -> None:
    assert command("prune").out.startswith("nothing to remove")
    assert command("prune", "--dry-run", "6.16").out == (
        "would remove 6.16.12+deb13: 2 MiB\nwould free 2 MiB\n"
    )
    assert command("prune", "6.16").out == "removed 6.16.12+deb13: 2 MiB\nfreed 2 MiB\n"
    assert [each.series for each in store.cached(settings)] == ["6.12"]


def test_prune_exits_with_3_if_a_kernel_is_in_use(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cache, "discard", lambda *_: False)
    ended = command("prune", "all")
    assert ended.status == 3
    assert ended.out.count(": a process uses it") == len(CACHED)


@pytest.mark.parametrize("value", ["yes", "2"])
def test_an_invalid_environment_switch_is_wrong_usage(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DYNPTR_HARNESS_OFFLINE", value)
    ended = command()
    assert ended.status == 2
    assert f"DYNPTR_HARNESS_OFFLINE is '{value}'" in ended.err


def test_the_environment_can_disable_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNPTR_HARNESS_OFFLINE", "1")
    assert Settings.from_environment().offline
    monkeypatch.setenv("DYNPTR_HARNESS_OFFLINE", "0")
    assert not Settings.from_environment().offline


@pytest.mark.parametrize(
    ("incomplete", "words"),
    [
        ("", ["all", "oldest", "newest", "5.10", "6.12", "6.16", "7.3"]),
        ("6.12", ["6.12", "6.12.117+deb13", "6.12.116+deb13"]),
        ("7.3.4+DEB", ["7.3.4+deb13"]),
        ("n", ["newest"]),
        ("7.1", []),
    ],
)
@pytest.mark.usefixtures("settings")
def test_the_shell_completes_keywords_and_kernels(incomplete: str, words: list[str]) -> None:
    offered = [word for word, _meaning in completion.kernels(incomplete)]
    assert offered[: len(words)] == words
    assert incomplete in ("", "6.12") or len(offered) == len(words)


@pytest.mark.usefixtures("settings")
def test_the_shell_completes_cached_kernels_for_prune() -> None:
    offered = [word for word, _meaning in completion.cached_kernels("6.1")]
    assert offered == [
        "6.12.117+deb13",
        "6.16.12+deb13",
    ]


def test_the_shell_completes_from_old_lists(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynptr_harness.kernels.debian.index.time.time", lambda: 1e12)
    assert Index.read(settings).age > 1e9
    assert [word for word, _meaning in completion.kernels("7.3")] == ["7.3", "7.3.4+deb13"]
