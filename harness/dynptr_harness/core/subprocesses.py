"""Tools of the host as child processes with a deadline. They do not outlive this process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from typing import IO, TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

TAIL_LINES = 12
GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL
TIMED_OUT = (124, -signal.SIGKILL)  # statuses of timeout(1) after SIGTERM and after SIGKILL

# depmod and modprobe are in sbin, which is not on the PATH of a normal user on Debian.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def find_tool(name: str) -> str | None:
    """Return the full path of a tool, or None if it is not installed."""
    return shutil.which(name, path=SEARCH_PATH)


def run(
    argv: Sequence[str | Path],
    *,
    what: str,
    deadline: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run a tool and return its standard output.

    The tool and its children end when this process dies, even from SIGKILL.

    Args:
        argv: the tool and its arguments.
        what: the work, for messages: "unpacking linux-image-6.12".
        deadline: seconds.
        cwd: working directory.
        env: variables added to the environment.
        on_line: called with each line of standard error as it comes.

    Raises:
        EnvironmentFailed: the tool is not installed, failed, or did not end before the deadline.
    """
    tool = find_tool(str(argv[0]))
    if tool is None:
        raise EnvironmentFailed(f"{argv[0]} is not installed", "run `make setup`, which installs it")
    # timeout(1) creates a process group and forwards the signal of our death to it.
    patience = [f"--kill-after={GRACE_SECONDS:g}", f"{deadline:g}"]
    guard = [*("setpriv", "--pdeathsig", "TERM", "--"), *("timeout", *patience)]
    started = time.monotonic()
    child = subprocess.Popen(
        [*guard, tool, *argv[1:]],
        cwd=cwd,
        env={**os.environ, "PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        umask=0o022,  # the same file modes for every user
    )
    output: list[str] = []
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def on_error_line(line: str) -> None:
        tail.append(line.rstrip())
        if on_line:
            on_line(line.rstrip())

    try:
        readers = [_reader(child.stdout, output.append), _reader(child.stderr, on_error_line)]
        status = child.wait(deadline + 2 * GRACE_SECONDS)
        for reader in readers:
            reader.join(GRACE_SECONDS)  # bounded: a process that left the group can hold the pipe open
    except BaseException:  # such as Ctrl-C
        child.terminate()
        child.wait(2 * GRACE_SECONDS)
        raise
    if status in TIMED_OUT and time.monotonic() - started >= deadline:
        raise EnvironmentFailed(f"{what} did not end within {deadline:g} s{_shown(tail)}")
    if status:
        shown = tail or deque((line.rstrip() for line in output), maxlen=TAIL_LINES)
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        raise EnvironmentFailed(f"{what} failed: {argv[0]} ended {how}{_shown(shown)}")
    return "".join(output)


def _reader(stream: IO[str] | None, take: Callable[[str], None]) -> threading.Thread:
    assert stream is not None  # noqa: S101  (PIPE)

    def read() -> None:
        with stream:
            for line in stream:
                take(line)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _shown(lines: deque[str]) -> str:
    return "".join(f"\n  {line}" for line in lines if line)
