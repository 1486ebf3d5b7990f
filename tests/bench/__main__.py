"""Measure the cost of the command in bare boots of the same kernel: `make bench`, docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.conformance.prog_types import LISTED
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.vm import qemu
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.kvm_probe import PROBE_ARGUMENT, PROBE_NOTE
from dynptr_harness.vm.prepare import prepare
from dynptr_harness.vm.qemu_process import QemuProcess
from dynptr_harness.vm.snapshots import KIND, key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dynptr_harness.vm.prepare import PreparedKernel

FLOOR = "bare QEMU, kernel and initramfs, to the first process"
# Core cases: examples, releases, wrong flags, and a leak that the verifier must reject.
CORE = ("ATT-00[1-3]", "CMT-00[12]", "RSV-006", "RSV-009", "RSV-011", "VER-001", "VER-004")
DOCUMENTED = tuple(f"--prog-type={name}" for name in sorted(LISTED))
CORE_CASES = (*DOCUMENTED, *(f"--case={case}" for case in CORE))
ONE_CELL = ("--prog-type=KPROBE", "--case=RSV-011")
BOOT_DEADLINE = 60.0
RUN_DEADLINE = 3600.0


@dataclass(frozen=True)
class Run:
    """A timed run of the command.

    Attributes:
        arguments: additional arguments.
        start: 'cold' without snapshots, 'first' with a new snapshot, 'warm' from a snapshot.
        jobs: machines at a time.
        rounds: the option with the number of measurements.
        matrix: True for the kernels of the matrix, False for a single kernel.
    """

    name: str
    arguments: tuple[str, ...]
    start: str
    jobs: int = 1
    rounds: str = "rounds"
    matrix: bool = False

    def expected(self, boots: int, restores: int) -> bool:
        """Return True if these numbers of started and of restored machines of a kernel fit `start`.

        Stress cases may have their own machine, see `dynptr_harness.runner.batches.cut`.
        """
        wanted = {"cold": 0, "first": boots - 1, "warm": boots}[self.start]
        return 1 <= boots <= self.jobs + 1 and restores == wanted


RUNS = (
    Run("one cell, cold", ONE_CELL, "cold"),
    Run("one cell, cold, new snapshot", ONE_CELL, "first"),
    Run("one cell, warm", ONE_CELL, "warm"),
    Run("core cases in the documented types, cold", CORE_CASES, "cold"),
    Run("core cases in the documented types, warm", CORE_CASES, "warm"),
    Run("core cases in the documented types, warm", CORE_CASES, "warm", jobs=2),
    Run("whole catalogue in the documented types, warm", DOCUMENTED, "warm", 2, rounds="long_rounds"),
    Run("whole catalogue, cold", (), "cold", jobs=2, rounds="long_rounds"),
    Run("whole catalogue, cold, new snapshot", (), "first", jobs=2, rounds="long_rounds"),
    Run("whole catalogue, warm", (), "warm", rounds="long_rounds"),
    Run("whole catalogue, warm", (), "warm", jobs=2, rounds="long_rounds"),
    Run("matrix, cold, new snapshots", (), "first", rounds="matrix_rounds", matrix=True),
    Run("matrix, cold, new snapshots", (), "first", 2, rounds="matrix_rounds", matrix=True),
    Run("matrix, warm", (), "warm", rounds="matrix_rounds", matrix=True),
    Run("matrix, warm", (), "warm", jobs=2, rounds="matrix_rounds", matrix=True),
)


def boot_bare(prepared: PreparedKernel, cpus: int) -> float:
    """Return the seconds from the start of QEMU to the first process of the guest."""

    async def boot(folder: Path) -> float:
        argv = qemu.boot_command(
            prepared.files,
            prepared.accelerator,
            memory_mib=1024,
            cpus=cpus,
            cmdline=(*qemu.FOR_PROGRAMS, PROBE_ARGUMENT),
        )
        console = Console(folder / "console.txt")
        begin = time.monotonic()
        process = await QemuProcess.start(argv, console)
        try:
            async with asyncio.timeout(BOOT_DEADLINE):
                await asyncio.wait({process.ended})
            if PROBE_NOTE not in console.notes:
                sys.exit(f"the bare kernel did not reach its first process:\n{console.tail()}")
            return time.monotonic() - begin
        finally:
            await process.kill()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(boot(Path(folder)))


def run_command(run: Run, kernels: Sequence[str], forget: Callable[[], object]) -> tuple[float, int]:
    """Run the command. Return its duration in seconds and the number of its cells.

    Args:
        kernels: selectors.
        forget: removes the snapshots of these kernels.
    """
    if run.start == "first":
        forget()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "dynptr_harness", "run", "--quiet", f"--jobs={run.jobs}"]
        command += [f"--kernel={kernel}" for kernel in kernels]
        command += ["--json", str(results), *(["--no-snapshot"] if run.start == "cold" else [])]
        begin = time.monotonic()
        done = subprocess.run(
            [*command, *run.arguments], capture_output=True, text=True, timeout=RUN_DEADLINE, check=False
        )
        seconds = time.monotonic() - begin
        if done.returncode:
            sys.exit(f"{run.name}: status {done.returncode}\n{done.stdout}{done.stderr}")
        document = json.loads(results.read_text())
    for kernel in document["run"]["kernels"]:
        if not run.expected(kernel["boots"], kernel["restores"]):
            sys.exit(f"{run.name}: {kernel['boots']} machines, {kernel['restores']} of them from a snapshot")
    return seconds, document["totals"]["planned"]


def row(name: str, jobs: int | str, cells: int | str, seconds: Sequence[float], floor: float) -> str:
    """Return a row of the table."""
    median = statistics.median(seconds)
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    return f"| {name} | {jobs} | {cells} | {median:.2f} | {spread} | {median / floor:.1f} |"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--kernel", default="6.12", help="kernel to boot")
    parser.add_argument(
        "--rounds", type=int, default=5, help="measurements of each row, except catalogue and matrix"
    )
    parser.add_argument("--long-rounds", type=int, default=3, help="measurements of the whole catalogue")
    parser.add_argument("--matrix", nargs="+", default=["6.1", "6.12", "7.3"], help="kernels of the matrix")
    parser.add_argument("--matrix-rounds", type=int, default=1, help="measurements of the matrix; 0 for none")
    parser.add_argument(
        "--only", default="*", help="pattern of the rows to measure; the bare boot is always measured"
    )
    options = parser.parse_args()
    settings = Settings.from_environment()
    (prepared,), _image = prepare([options.kernel], settings=settings, progress=Silent())
    others, _image = prepare(options.matrix, settings=settings, progress=Silent())

    def forget() -> None:
        for each in (prepared, *others):
            Cache(settings.cache).discard(KIND, key(qemu.Spec(each.files, each.accelerator)))

    floors = [boot_bare(prepared, qemu.Spec.cpus) for _ in range(options.rounds)]
    floor = statistics.median(floors)
    print(f"Linux {prepared.kernel.release}, QEMU {qemu.version()}, {prepared.accelerator.name}, ", end="")
    print(f"{os.cpu_count()} processors, load before {os.getloadavg()[0]:.1f}; ", end="")
    print(f"the matrix: {', '.join(each.kernel.release for each in others)}\n")
    print("| what | jobs | cells | median, s | from, to | x bare boot |\n|---|---|---|---|---|---|")
    print(row(FLOOR, "", "", floors, floor), flush=True)
    for run in RUNS:
        kernels = options.matrix if run.matrix else [options.kernel]
        rounds: int = getattr(options, run.rounds)
        if not rounds or not fnmatch(run.name, options.only):
            continue
        taken = [run_command(run, kernels, forget) for _ in range(rounds)]
        seconds, cells = zip(*taken, strict=True)
        print(row(run.name, run.jobs, cells[0], seconds, floor), flush=True)


if __name__ == "__main__":
    main()
