"""Output files: errors are found early, and files appear complete."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import output
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_directory_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match=r"--json .*: there is no directory .*missing") as raised:
        output.check("--json", tmp_path / "missing" / "a.json")
    assert raised.value.hint.startswith("create it: mkdir -p ")


def test_a_directory_is_not_accepted_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="is a directory"):
        output.check("--junit", tmp_path)


def test_a_file_in_place_of_the_directory_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WrongUsage, match="there is no directory"):
        output.check("--junit", tmp_path / "file" / "a.xml")


def test_an_unwritable_directory_is_found_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WrongUsage, match="no permission"):
        output.check("--json", tmp_path / "a.json")


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    output.check("--json", tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_and_no_other_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    output.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    output.write(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"x"


def test_the_old_file_stays_if_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def full(self: Path, _content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(path), "write_bytes", full)
    with pytest.raises(EnvironmentFailed, match=r"cannot write .*a\.json: No space left on device"):
        output.write(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    output.check("--json", pipe)
    output.write(pipe, b"through")
    reader.join(5)
    assert got == [b"through"]
    assert pipe.is_fifo()
