"""The consoles of a run are kept, and not for ever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import run_dir
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from pathlib import Path

ENDED = 2**22 + 1  # above the largest process id that Linux gives


def old_run(cache: Path, number: int, pid: int = ENDED) -> Path:
    folder = cache / "runs" / f"20200101T0000{number:02}Z-{pid}"
    folder.mkdir(parents=True)
    (folder / "console.txt").touch()
    return folder


def test_a_run_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = run_dir.create(tmp_path)
    assert folder.is_dir()
    assert folder.parent == tmp_path / "runs"
    assert folder.name.endswith(f"-{os.getpid()}")


def test_the_oldest_are_removed_and_the_last_are_kept(tmp_path: Path) -> None:
    old = [old_run(tmp_path, number) for number in range(30)]
    new = run_dir.create(tmp_path)
    assert sorted((tmp_path / "runs").iterdir()) == [*old[-run_dir.KEPT + 1 :], new]


def test_a_run_that_still_goes_on_keeps_its_consoles(tmp_path: Path) -> None:
    running = old_run(tmp_path, 0, pid=1)
    for number in range(1, 30):
        old_run(tmp_path, number)
    run_dir.create(tmp_path)
    assert (running / "console.txt").exists()


def test_a_cache_that_cannot_be_written_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(EnvironmentFailed, match=r"cannot make the folder .*/runs/") as raised:
        run_dir.create(tmp_path)
    assert "DYNPTR_HARNESS_CACHE" in raised.value.hint
