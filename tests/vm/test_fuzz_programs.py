"""Random programs on a real kernel, also with a wrong oracle and a wrong model."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.kernels.model import Kernel

PROGRAMS = 64


def _fuzz(kernel: Kernel, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    start = f"{code}\nfrom dynptr_harness.cli import main\nmain()"
    command = [
        sys.executable,
        "-c",
        start,
        "fuzz-programs",
        "--kernel",
        kernel.release,
        "--quiet",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_kernel_and_oracle_agree(kernel: Kernel, tmp_path: Path) -> None:
    done = _fuzz(kernel, "--programs", str(PROGRAMS), "--seed", "1", "-o", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{PROGRAMS} programs" in done.stdout
    assert "failures: 0" in done.stdout


# The oracle takes every program with a discard for unsafe. The kernel accepts many of them.
STRICT = """
from dynptr_harness.conformance.fuzz.oracle import Path, Reason
walk = Path._do_release
def release(self, statement):
    walk(self, statement)
    if statement.discard:
        self._fail(Reason.LEAK)
Path._do_release = release
"""

# The model takes the pattern of the buffer for another one.
WRONG_PATTERN = """
from dynptr_harness.conformance.fuzz import oracle
oracle.pattern = lambda word: 0x77
"""


def test_an_unsafe_program_that_is_accepted_is_reduced(kernel: Kernel, tmp_path: Path) -> None:
    done = _fuzz(kernel, "--programs", "64", "--seed", "1", "-o", str(tmp_path), code=STRICT)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "unsafe and accepted: a reservation is not released" in done.stdout
    documents = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    bodies = [[each["is"] for each in document["program"]["body"]] for document in documents]
    assert ["Reserve", "Release"] in bodies


def test_other_bytes_in_a_record_are_a_failure(kernel: Kernel, tmp_path: Path) -> None:
    done = _fuzz(kernel, "--programs", "64", "--seed", "1", "-o", str(tmp_path), code=WRONG_PATTERN)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "holds 0101" in done.stdout
