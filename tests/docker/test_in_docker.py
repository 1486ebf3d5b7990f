"""`--in docker` behaves like a run on the host."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.docker import command

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from docker import DockerClient

ONE_CELL = ("--kernel", "6.12", "--prog-type", "SYSCALL", "--case", "ATT-002", "--no-snapshot")
END_DEADLINE = 30.0  # seconds


@pytest.fixture(autouse=True)
def ready(harness_image: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(cache))


def test_output_files_and_status_are_those_of_a_run_here(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    arguments = ("run", "--in", "docker", *ONE_CELL, "--json", "results/one.json")
    status, out, err = command.run(*arguments, folder=tmp_path)
    assert status == 0, err
    assert "1 cell planned, 1 run" in out
    assert "running 1 cell on 6.12" in err
    assert len(command.cells(results / "one.json")) == 1
    assert (results / "one.json").stat().st_uid == os.getuid()


def test_wrong_usage_has_its_status(tmp_path: Path) -> None:
    status, _, err = command.run("run", "--in=docker", "--case", "NOPE-1", folder=tmp_path)
    assert status == 2
    assert "there is no case 'NOPE-1'" in err


def wait_for_start(process: subprocess.Popen[str]) -> None:
    """Wait until the command in the container has printed a line."""
    assert process.stderr
    for line in process.stderr:
        if "starting 6.12" in line:
            return
    raise AssertionError("the command ended before it printed anything")


def test_a_signal_is_passed_on_and_finished_cells_are_reported(client: DockerClient, tmp_path: Path) -> None:
    process = command.start("run", "--in", "docker", *ONE_CELL, folder=tmp_path)
    wait_for_start(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=END_DEADLINE)
    assert process.returncode == 130
    assert "interrupted by SIGINT" in out
    assert client.containers.list(all=True) == []


def test_the_container_ends_when_the_command_is_killed(client: DockerClient, tmp_path: Path) -> None:
    process = command.start("run", "--in", "docker", *ONE_CELL, folder=tmp_path)
    wait_for_start(process)
    process.kill()
    process.communicate(timeout=END_DEADLINE)
    give_up = time.monotonic() + END_DEADLINE
    while client.containers.list():
        assert time.monotonic() < give_up, "the container still runs"
        time.sleep(0.1)
    for container in client.containers.list(all=True):
        container.remove()
