"""The command `cache`: its list, and what `cache prune` removes and keeps."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.cli.app import app
from dynptr_harness.cli.cache_list import ago
from dynptr_harness.commands.cache import KINDS
from dynptr_harness.core.cache import MANIFEST, Cache
from dynptr_harness.vm import migration
from typer.testing import CliRunner

from tests.unit.schemas import validated

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

MIB = 1 << 20
FACTS = {
    "snapshots": (migration.FACTS, {"release": "6.12.1"}),
    "kernels": ("kernel.json", {"kernel": {"release": "6.12.1"}}),
    "package-kernels": ("kernel.json", {"release": "6.8.0-45"}),
}


def make(cache: Path, kind: str, key: str, mib: int = 1, age: float = 0.0) -> Path:
    """Make an entry that was used last before `age` seconds."""

    def build(directory: Path) -> None:
        (directory / "data").write_bytes(b"x" * (mib * MIB))
        if kind in FACTS:
            name, facts = FACTS[kind]
            (directory / name).write_text(json.dumps(facts))

    entry = Cache(cache).entry(kind, key, build)
    then = time.time() - age
    os.utime(entry / MANIFEST, (then, then))
    return entry


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with entries of several kinds."""
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(tmp_path))
    monkeypatch.delenv("DYNPTR_HARNESS_SNAPSHOT_LIMIT", raising=False)
    make(tmp_path, "snapshots", "aaaa", 3, age=7200)
    make(tmp_path, "snapshots", "bbbb", 2, age=10 * 86400)
    make(tmp_path, "kernels", "linux-image-6.12.1_1", 5)
    make(tmp_path, "boot", "6.8.0-45-0123456789abcdef")
    make(tmp_path, "package-kernels", "cccc", 4)
    for name in (f"20260101T000000Z-{os.getpid()}", "20260101T000000Z-999999999"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "apt/state").mkdir(parents=True)
    (tmp_path / "apt/kernels.json").touch()
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments])


def test_the_list_has_kind_kernel_size_and_last_use(cache: Path) -> None:
    heading, *rows, total, snapshots, modules = run().output.splitlines()
    assert heading.split() == ["KIND", "KERNEL", "ENTRIES", "SIZE", "LAST", "USED"]
    assert [row.split()[:5] for row in rows[:4]] == [
        ["snapshots", "6.12.1", "2", "5", "MiB"],
        ["kernels", "6.12.1", "1", "5", "MiB"],
        ["package-kernels", "6.8.0-45", "1", "4", "MiB"],
        ["boot", "6.8.0-45", "1", "1", "MiB"],
    ]
    assert rows[0].endswith("2 h ago")
    assert [row.split()[0] for row in rows[4:]] == ["runs", "apt"]
    assert total.endswith(f"MiB in {cache}")
    assert snapshots.startswith("snapshots: 5 MiB of at most 8192 MiB")
    assert modules.startswith("built-modules: 0 MiB of at most ")


def test_each_entry_can_be_listed(cache: Path) -> None:  # noqa: ARG001
    heading, first, second, total, _limit = run("list", "--all", "snapshots").output.splitlines()
    assert "aaaa" in first
    assert "bbbb" in second
    assert second.endswith("10 d ago")
    assert heading.startswith("KIND")
    assert total.startswith("5 MiB")


def test_json_has_all_fields(cache: Path) -> None:
    document = validated("cache", run("--json", "snapshots").output)
    assert {each["kind"] for each in validated("cache", run("--json").output)["entries"]} >= {
        "snapshots",
        "apt",
    }
    assert document["directory"] == str(cache)
    assert document["limits_mib"] == {"snapshots": 8192}
    first = document["entries"][0]
    assert {**first, "size": 0, "last_used": 0} == {
        "kind": "snapshots",
        "key": "aaaa",
        "kernel": "6.12.1",
        "size": 0,
        "last_used": 0,
    }
    assert first["size"] >= 3 * MIB


def test_an_empty_cache_has_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(tmp_path / "none"))
    assert run().output.startswith("0 MiB in ")
    assert run("prune", "--what", "snapshots").output == "nothing to remove\n"


def test_a_damaged_entry_is_listed(cache: Path) -> None:
    (cache / "snapshots/aaaa" / migration.FACTS).write_text("{")
    assert "aaaa" in run("--all").output


def test_prune_removes_the_kinds_that_are_named(cache: Path) -> None:
    pruned = run("prune", "--what", "package-kernels", "--what", "boot")
    assert pruned.exit_code == 0
    assert pruned.output.splitlines() == [
        "removed package-kernels (1): 4 MiB",
        "removed boot (1): 1 MiB",
        "freed 5 MiB",
    ]
    assert not (cache / "package-kernels/cccc").exists()
    assert (cache / "snapshots/aaaa").exists()


def test_a_dry_run_removes_nothing(cache: Path) -> None:
    assert "would free 5 MiB" in run("prune", "--dry-run", "--what", "snapshots").output
    assert (cache / "snapshots/aaaa").exists()


def test_what_was_used_lately_can_be_kept(cache: Path) -> None:
    assert "removed snapshots (1): 2 MiB" in run("prune", "--what", "snapshots", "--unused-for", "1").output
    assert (cache / "snapshots/aaaa").exists()
    assert not (cache / "snapshots/bbbb").exists()


def test_an_entry_in_use_is_kept_and_the_status_is_3(cache: Path) -> None:
    use = cache / "snapshots/.aaaa.use.lock"
    with use.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        pruned = run("prune", "--what", "snapshots")
    assert pruned.exit_code == 3
    assert "kept snapshots aaaa: a process uses it" in pruned.output
    assert "freed 2 MiB" in pruned.output


def test_the_consoles_of_a_running_process_are_kept(cache: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (cache / f"runs/20260102T000000Z-{child.pid}").mkdir()
        assert run("prune", "--what", "runs").exit_code == 3
        names = {path.name.rpartition("-")[2] for path in (cache / "runs").iterdir()}
        assert names == {str(os.getpid()), str(child.pid)}
    finally:
        child.kill()
        child.communicate()


def test_package_lists_are_removed_but_not_their_lock(cache: Path) -> None:
    assert run("prune", "--what", "apt").exit_code == 0
    assert [path.name for path in (cache / "apt").iterdir()] == [".amd64.lock"]


@pytest.mark.parametrize("arguments", [["prune", "--what", "snapshot"], ["list", "snapshot"]])
def test_an_unknown_kind_is_wrong_usage(cache: Path, arguments: list[str]) -> None:  # noqa: ARG001
    assert "name one of snapshots, kernels" in getattr(run(*arguments).exception, "hint", "")


def test_prune_needs_a_kind(cache: Path) -> None:
    assert run("prune").exit_code == 2
    assert (cache / "snapshots/aaaa").exists()


def test_an_entry_counts_as_used_when_it_is_needed_again(cache: Path) -> None:
    entry = make(cache, "kernels", "old", age=3600)
    Cache(cache).entry("kernels", "old", NotImplemented)
    assert time.time() - (entry / MANIFEST).stat().st_mtime < 60


@pytest.mark.parametrize(
    ("seconds", "shown"), [(5, "5 s"), (300, "5 min"), (7300, "2 h"), (49 * 3600, "2 d"), (-5, "0 s")]
)
def test_the_time_of_the_last_use(seconds: float, shown: str) -> None:
    assert ago(time.time() - seconds) == f"{shown} ago"


def test_each_kind_says_what_it_is() -> None:
    assert all(KINDS.values())
