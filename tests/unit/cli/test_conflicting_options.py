"""Conflicting options of `run` are rejected before any work begins."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kernel", "host"), ("the kernel of this machine", "add --yes")),
        (("--kernel", "host", "--yes", "--in", "docker"), ("cannot be tested from a container", "--in")),
        (("--kernel", "host", "--kernel", "6.12", "--yes"), ("cannot be combined", "merge")),
        (("--kernel", "host", "--yes", "--append", "quiet"), ("kernels that are booted",)),
        (("--in", "docker", "--json", "/result.json"), ("in the root directory",)),
        (("--in", "nowhere"), ("nowhere", "docker")),
    ],
)
def test_conflicting_options_are_wrong_usage(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dynptr_harness", "run", "--case", "ATT-001", *arguments],
        env={"DYNPTR_HARNESS_CACHE": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    for word in words:
        assert word in done.stderr
