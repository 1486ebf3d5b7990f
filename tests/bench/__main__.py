"""What the command costs, as ratios to a bare boot of the same kernel: `make bench`, docs/benchmarks.md."""

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
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cache import Cache
from harness.prepare import prepare
from harness.progress import Silent
from harness.settings import Settings
from harness.vm import qemu
from harness.vm.accelerator import PROBE_ARGUMENT, PROBE_NOTE
from harness.vm.console import Console
from harness.vm.process import QemuProcess
from harness.vm.snapshot import KIND, key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.prepare import Subject

FLOOR = "bare QEMU, kernel and initramfs, to the first process"
# The core of the catalogue: the examples, releases, wrong flags, and a leak that the verifier must refuse.
CORE = ("ATT-00[1-3]", "CMT-00[12]", "RSV-006", "RSV-009", "RSV-011", "VER-001", "VER-004")
CORE_CASES = tuple(f"--case={case}" for case in CORE)
ONE_CELL = ("--prog-type=KPROBE", "--case=RSV-011")
BOOT_DEADLINE = 60.0
RUN_DEADLINE = 1200.0


@dataclass(frozen=True)
class Run:
    """One run of the command that is timed.

    Attributes:
        arguments: further ones.
        start: 'cold' without snapshots, 'first' with one that is made, 'warm' from it.
        long: it takes so long that it is measured less often.
    """

    name: str
    arguments: tuple[str, ...]
    start: str
    long: bool = False


RUNS = (
    Run("one cell, cold", ONE_CELL, "cold"),
    Run("one cell, cold, and the snapshot made", ONE_CELL, "first"),
    Run("one cell, warm", ONE_CELL, "warm"),
    Run("core cases in all types, cold", CORE_CASES, "cold"),
    Run("core cases in all types, warm", CORE_CASES, "warm"),
    Run("whole catalogue, cold", (), "cold", long=True),
    Run("whole catalogue, warm", (), "warm", long=True),
)


def boot_bare(subject: Subject, cpus: int) -> float:
    """Seconds from the start of QEMU until the guest's first process runs."""

    async def boot(folder: Path) -> float:
        features = (
            qemu.Processor(subject.accelerator, cpus),
            qemu.SerialConsole(),
            qemu.EndOnPanic(),
            qemu.SecurityModules(),
            qemu.FastGracePeriods(),
        )
        argv = qemu.command(subject.files, features, memory_mib=1024, cmdline=(PROBE_ARGUMENT,))
        console = Console(folder / "console.txt")
        began = time.monotonic()
        process = await QemuProcess.start(argv, console)
        try:
            async with asyncio.timeout(BOOT_DEADLINE):
                await asyncio.wait({process.ended})
            if PROBE_NOTE not in console.notes:
                sys.exit(f"the bare kernel did not reach its first process:\n{console.tail()}")
            return time.monotonic() - began
        finally:
            await process.kill()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(boot(Path(folder)))


def run_command(run: Run, kernel: str, forget: Callable[[], None]) -> tuple[float, int]:
    """Seconds from the start of the command to its end, and the number of its cells.

    Args:
        forget: removes the snapshot.
    """
    if run.start == "first":
        forget()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        command = [sys.executable, "-m", "harness", "run", "--quiet", "--kernel", kernel]
        command += ["--json", str(results), *(["--no-snapshot"] if run.start == "cold" else [])]
        began = time.monotonic()
        done = subprocess.run(
            [*command, *run.arguments], capture_output=True, text=True, timeout=RUN_DEADLINE, check=False
        )
        seconds = time.monotonic() - began
        if done.returncode not in (0, 1):
            sys.exit(f"{run.name}: status {done.returncode}\n{done.stdout}{done.stderr}")
        told = json.loads(results.read_text())
    (asked,) = told["run"]["kernels"]
    if (asked["boots"], asked["restores"]) != (1, int(run.start == "warm")):
        sys.exit(f"{run.name}: {asked['boots']} machines, {asked['restores']} of them from a snapshot")
    return seconds, told["totals"]["planned"]


def row(name: str, cells: int | str, seconds: Sequence[float], floor: float) -> str:
    """A line of the table."""
    median = statistics.median(seconds)
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    return f"| {name} | {cells} | {median:.2f} | {spread} | {median / floor:.1f} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--kernel", default="6.12", help="what to boot")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each row but the catalogue's")
    parser.add_argument("--long-rounds", type=int, default=3, help="measurements of the whole catalogue")
    options = parser.parse_args()
    settings = Settings.from_environment()
    (subject,), _image = prepare([options.kernel], settings=settings, progress=Silent())
    spec = qemu.Spec(subject.files, subject.accelerator)

    floors = [boot_bare(subject, spec.cpus) for _ in range(options.rounds)]
    floor = statistics.median(floors)
    print(f"Linux {subject.kernel.release}, QEMU {qemu.version()}, {subject.accelerator.name}, ", end="")
    print(f"{os.cpu_count()} processors, load before {os.getloadavg()[0]:.1f}\n")
    print("| what | cells | median, s | from, to | x bare boot |\n|---|---|---|---|---|")
    print(row(FLOOR, "", floors, floor), flush=True)
    for run in RUNS:
        rounds = range(options.long_rounds if run.long else options.rounds)
        taken = [
            run_command(run, options.kernel, lambda: Cache(settings.cache).discard(KIND, key(spec)))
            for _ in rounds
        ]
        seconds, cells = zip(*taken, strict=True)
        print(row(run.name, cells[0], seconds, floor), flush=True)


if __name__ == "__main__":
    main()
