"""A failing standard output or error never looks like a verdict, and result files are still written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
from types import SimpleNamespace
from dynptr_harness import cli
from dynptr_harness.vm import launcher, qemu
from tests.unit.samples import FakeGuest, subject

async def boot(*_, **__):
    return FakeGuest({})

launcher.prepare = lambda *_, **__: ([subject()], SimpleNamespace(packages={}))
qemu.version = lambda: "10.0.2"
launcher.Snapshots.start = boot
cli.main()
"""
PROJECT = Path(__file__).parents[3]


def status(
    command: list[str], cache: Path, stdout: str = "", stderr: str = "", *, closed: str = ""
) -> tuple[int, str]:
    """Return the exit status and the messages of a command in a shell, with redirections."""
    words = " ".join(f"'{word}'" for word in (sys.executable, *command))
    line = f"{words} {stdout} {stderr}"
    script = f"{{ {line}; echo $? >status; }} | {closed}" if closed else f"{line}; echo $? >status"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=cache,
        env={**os.environ, "DYNPTR_HARNESS_CACHE": str(cache), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return int((cache / "status").read_text()), done.stderr


LIST = ["-m", "dynptr_harness", "cases"]
ASK = ["-c", RUN, "run", "--jobs=1", "-t", "LSM", "-c", "CMT-00*", "--json", "r.json"]


@pytest.mark.parametrize(
    ("command", "stdout", "stderr", "closed", "expected"),
    [
        (LIST, "", "", "true", 141),
        (LIST, ">/dev/full", "", "", 3),
        (LIST, ">&-", "", "", 0),
        (LIST, "", "2>/dev/full", "", 0),
        ([*LIST, "--nonsense"], "", "2>/dev/full", "", 2),
        (["-m", "dynptr_harness", "diff", "none.json", "none.json"], "", "2>/dev/full", "", 2),
        (["-m", "dynptr_harness", "diff", "none.json", "none.json"], "2>&1", "", "true", 2),
    ],
)
def test_a_failing_stream_gives_no_status_1(
    tmp_path: Path, command: list[str], stdout: str, stderr: str, closed: str, expected: int
) -> None:
    got, messages = status(command, tmp_path, stdout, stderr, closed=closed)
    assert got == expected, messages
    assert "Traceback" not in messages
    if expected == 3:
        assert messages.startswith("dynptr-harness: cannot write to standard output: No space left")


@pytest.mark.parametrize(
    ("stdout", "stderr", "closed", "expected"),
    [
        ("2>&1", "", "true", {141}),
        ("", "2>/dev/full", "", {0}),
        (">/dev/full", "", "", {3}),
        (">&-", "2>&-", "", {0}),
    ],
)
def test_a_failing_stream_does_not_cost_the_result(
    tmp_path: Path, stdout: str, stderr: str, closed: str, expected: set[int]
) -> None:
    got, messages = status(ASK, tmp_path, stdout, stderr, closed=closed)
    assert got in expected, messages
    assert {cell["verdict"] for cell in json.loads((tmp_path / "r.json").read_text())["cells"]} == {"pass"}
