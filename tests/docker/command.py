"""The command as a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).parents[2]
DEADLINE = 300.0  # seconds; a first boot without KVM takes about one minute on a busy machine
VERDICT = ("prog_type", "case", "loader", "verdict", "ok", "expected", "seen")

Cells = list[tuple[object, ...]]


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Start the command in a directory."""
    return subprocess.Popen(
        [sys.executable, "-m", "dynptr_harness", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TREE / "harness")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """Run the command and return exit status, standard output and standard error."""
    process = start(*arguments, folder=folder)
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def cells(result: Path) -> Cells:
    """Return the cells of a result, without times and consoles, which differ between runs."""
    document = json.loads(result.read_text())
    return [tuple(cell[name] for name in VERDICT) for cell in document["cells"]]
