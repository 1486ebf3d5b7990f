"""The directories of runs: created, kept, and removed when they are old."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import run_dir
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from pathlib import Path

ENDED = 2**22 + 1  # above the largest process ID of Linux


def old_run(cache: Path, number: int, pid: int = ENDED) -> Path:
    directory = cache / "runs" / f"20200101T0000{number:02}Z-{pid}"
    directory.mkdir(parents=True)
    (directory / "console.txt").touch()
    return directory


def test_each_run_gets_a_directory(tmp_path: Path) -> None:
    directory = run_dir.create(tmp_path)
    assert directory.is_dir()
    assert directory.parent == tmp_path / "runs"
    assert directory.name.endswith(f"-{os.getpid()}")


def test_only_the_newest_directories_are_kept(tmp_path: Path) -> None:
    old = [old_run(tmp_path, number) for number in range(30)]
    new = run_dir.create(tmp_path)
    assert sorted((tmp_path / "runs").iterdir()) == [*old[-run_dir.KEPT + 1 :], new]


def test_a_running_run_keeps_its_directory(tmp_path: Path) -> None:
    running = old_run(tmp_path, 0, pid=1)
    for number in range(1, 30):
        old_run(tmp_path, number)
    run_dir.create(tmp_path)
    assert (running / "console.txt").exists()


def test_an_unwritable_cache_is_reported(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(EnvironmentFailed, match=r"cannot create the directory .*/runs/") as raised:
        run_dir.create(tmp_path)
    assert "DYNPTR_HARNESS_CACHE" in raised.value.hint
