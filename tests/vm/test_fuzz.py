"""Random sequences on a real kernel: no difference, and a wrong model is noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.commands.fuzz import Fuzzer
from dynptr_harness.commands.fuzz_session import FuzzLimits
from dynptr_harness.core.errors import ExitStatus
from dynptr_harness.core.progress import Silent
from dynptr_harness.vm.launcher import Machines, Options

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel

SEED, SEQUENCES = 1, 128


@pytest.fixture(scope="module")
def fuzzer(kernel: Kernel, settings: Settings) -> Fuzzer:
    machines = Machines([kernel.release], Options(), settings=settings, progress=Silent())
    (prepared,) = machines.kernels
    return Fuzzer(machines, prepared, "RAW_TRACEPOINT", lambda _line: None)


def test_a_correct_kernel_has_no_difference(fuzzer: Fuzzer) -> None:
    result = fuzzer.run(SEED, FuzzLimits(inputs=SEQUENCES))
    assert result.status is ExitStatus.AS_EXPECTED, (result.found, result.unanswered)
    assert result.sequences == SEQUENCES


def test_a_rule_that_the_kernel_does_not_follow_is_found(
    fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong model differs from a correct kernel as a wrong kernel differs from the model."""

    def rounded(size: int) -> int:
        return (size + 15) // 8 * 8 + 8 * (size % 8 == 1)

    monkeypatch.setattr("dynptr_harness.conformance.model.ring.footprint", rounded)
    result = fuzzer.run(SEED, FuzzLimits(inputs=64))
    assert result.status is ExitStatus.NOT_AS_EXPECTED
    assert len(result.found[0].sequence.acts) < 10


def test_a_replay_file_can_be_run_again(kernel: Kernel, tmp_path: Path) -> None:
    peek = [{"act": "peek"}]
    sequence = {"format": 1, "program": "steps", "ring_size": 4096, "new_ring": True, "acts": peek}
    file = tmp_path / "replay.json"
    file.write_text(json.dumps(sequence))
    done = subprocess.run(
        [sys.executable, "-m", "dynptr_harness", "fuzz", "-q", "-k", kernel.release, "--replay", str(file)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "no difference\n"), done.stderr
