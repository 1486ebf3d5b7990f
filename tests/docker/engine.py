"""A private container engine with its own socket and data, and without firewall rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import docker
from docker.errors import DockerException
from dynptr_harness.core.subprocesses import find_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

START_DEADLINE = 60.0  # seconds
STOP_DEADLINE = 60.0


def obstacle() -> str | None:
    """Return why no engine can be started here, or None."""
    if os.geteuid() != 0:
        return "only root can start a container engine"
    if not find_tool("dockerd"):
        return "there is no dockerd: install Debian's docker.io"
    return None


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run an engine within this context and return its address for DOCKER_HOST.

    Raises:
        TimeoutError: the engine did not answer.
        subprocess.TimeoutExpired: the engine did not end.
        RuntimeError: the engine ended early.
    """
    address = f"unix://{folder / 'docker.sock'}"
    argv = [
        *("setpriv", "--pdeathsig", "TERM", "--", "dockerd", "--iptables=false", "--bridge=none"),
        *("--host", address, "--pidfile", str(folder / "pid")),
        *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
    ]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(address, daemon, folder / "log")
        yield address
    finally:
        daemon.terminate()
        daemon.wait(STOP_DEADLINE)
        for mounted in _mounts(folder):  # dockerd leaves its network namespace mounted
            subprocess.run(["umount", mounted], check=True)
        shutil.rmtree(folder)


def _mounts(folder: Path) -> list[str]:
    """Return the mount points below a directory, innermost first."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{folder}/")), reverse=True)


def _wait_for(address: str, daemon: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + START_DEADLINE
    while True:
        try:
            docker.DockerClient(address).close()
        except DockerException:
            if daemon.poll() is not None:
                raise RuntimeError(f"dockerd ended: {log.read_text()[-2000:]}") from None
            if time.monotonic() > give_up:
                raise TimeoutError(f"dockerd did not answer in {START_DEADLINE:g} s") from None
            time.sleep(0.05)
        else:
            return
