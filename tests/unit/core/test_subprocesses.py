"""Tools of the host: their output, their failures, and their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable


def run(script: str, deadline: float = 10.0) -> str:
    return subprocesses.run(["sh", "-c", script], what="the work", deadline=deadline)


def test_standard_output_is_returned() -> None:
    assert run("echo one; echo two >&2; printf three") == "one\nthree"


def test_lines_of_standard_error_are_passed_on() -> None:
    lines: list[str] = []
    subprocesses.run(["sh", "-c", "echo one >&2; echo two >&2"], what="x", deadline=10, on_line=lines.append)
    assert lines == ["one", "two"]


def test_the_environment_is_extended() -> None:
    given = subprocesses.run(["sh", "-c", "echo $MINE $HOME"], what="x", deadline=10, env={"MINE": "yes"})
    assert given.split() == ["yes", os.environ["HOME"]]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo why >&2; exit 3", "the work failed: sh ended with status 3\n  why"),
        ("echo why; exit 1", "the work failed: sh ended with status 1\n  why"),
        ("kill -KILL $$", "the work failed: sh ended by signal 9"),
    ],
)
def test_a_failure_reports_the_work_the_status_and_the_last_lines(script: str, said: str) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        run(script)
    assert caught.value.fact == said


def test_only_the_last_lines_are_shown() -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        run("seq 1 100 >&2; exit 1")
    assert caught.value.fact.splitlines()[1:] == [
        f"  {number}" for number in range(101 - subprocesses.TAIL_LINES, 101)
    ]


def test_a_missing_tool_is_reported_with_a_hint() -> None:
    with pytest.raises(EnvironmentFailed, match="no-such-tool is not installed") as caught:
        subprocesses.run(["no-such-tool"], what="x", deadline=10)
    assert "make setup" in caught.value.hint


# A tool with a child. Both write their process IDs.
FAMILY = "sleep 600 & echo $! >> {pids}; echo $$ >> {pids}; wait"


# A process that runs such a tool. Background jobs of a shell, and their children, ignore SIGINT.
PARENT = """
import signal, sys
from dynptr_harness.core import subprocesses

signal.signal(signal.SIGINT, signal.default_int_handler)
subprocesses.run(["sh", "-c", sys.argv[1]], what="the work", deadline=60)
"""


def wait_until(said: str, condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up, said
        time.sleep(0.01)


def family(pids: Path) -> list[int]:
    return [int(line) for line in pids.read_text().splitlines()] if pids.exists() else []


def stat(pid: int) -> list[str]:
    """Return the fields of proc_pid_stat(5) from the third on: state, parent and so on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def is_running(pid: int) -> bool:
    try:
        return stat(pid)[0] != "Z"
    except FileNotFoundError:
        return False


def is_guarded(pids: Path) -> bool:
    """Return True if the tool runs and its timeout(1) sleeps. Before that, timeout may not know the tool."""
    return len(family(pids)) == 2 and stat(int(stat(family(pids)[1])[1]))[0] == "S"


def assert_all_gone(pids: Path) -> None:
    assert len(family(pids)) == 2
    wait_until("a process was left behind", lambda: not any(map(is_running, family(pids))))


def test_the_tool_and_its_children_end_at_the_deadline(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(EnvironmentFailed, match=r"the work did not end within 0\.3 s"):
        run(FAMILY.format(pids=pids), deadline=0.3)
    assert_all_gone(pids)


def test_a_tool_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocesses, "GRACE_SECONDS", 0.2)
    with pytest.raises(EnvironmentFailed, match="did not end within"):
        run("trap '' TERM; while :; do sleep 0.05; done", deadline=0.2)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_tool_outlives_this_process(tmp_path: Path, sent: signal.Signals) -> None:
    pids = tmp_path / "pids"
    argv = [sys.executable, "-c", PARENT, FAMILY.format(pids=pids)]
    ours = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    wait_until("the tool did not start", lambda: is_guarded(pids))
    ours.send_signal(sent)
    _, said = ours.communicate(timeout=10)
    assert ours.returncode == -sent
    assert ("KeyboardInterrupt" in said) == (sent == signal.SIGINT)
    assert_all_gone(pids)
