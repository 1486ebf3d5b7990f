"""Our command as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).parents[2]
DEADLINE = 300.0  # seconds; a first boot without KVM on a busy machine takes one
VERDICT = ("prog_type", "case", "loader", "verdict", "ok", "expected", "seen")

Cells = list[tuple[object, ...]]


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Start the command in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "dynptr_harness", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TREE / "harness")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """Run it to its end: exit status, standard output, standard error."""
    process = start(*arguments, folder=folder)
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def cells(result: Path) -> Cells:
    """What a result says of each cell, but for what two runs never share: times, consoles."""
    document = json.loads(result.read_text())
    return [tuple(cell[name] for name in VERDICT) for cell in document["cells"]]
