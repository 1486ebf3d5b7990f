"""Faults of the command, of QEMU, of the disk and of the cache. Each costs at most what it hits."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.lab import FEW, MANY, Ended, Lab, shown, totals, wait_for_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_SNAPSHOT = (*FEW, "--no-snapshot")


def seen(ended: Ended, pattern: str) -> str:
    """Return the status and the message of a command."""
    counts = ", ".join(f"{number} `{verdict}`" for verdict, number in totals(ended.cells).items())
    return f"status {ended.status}{f'; {counts}' if counts else ''}: {shown(ended, pattern)}"


# QEMU


def wrapped_qemu(directory: Path, script: str) -> str:
    """Return a PATH whose QEMU is a shell script. `$REAL` is the real one."""
    real = shutil.which("qemu-system-x86_64")
    directory.mkdir()
    wrapper = directory / "qemu-system-x86_64"
    wrapper.write_text(f"#!/bin/sh\nREAL={real}\n{script}\n")
    wrapper.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("fault", "script", "message"),
    [
        (
            "QEMU is too old",
            'echo "QEMU emulator version 7.2.0"',
            "QEMU 7.2.0 is too old to run guests reliably",
        ),
        ("QEMU does not start", "exit 127", "--version failed: .* exit status 127"),
        ("QEMU says no version", "echo hello", "names no version: 'hello"),
        (
            "QEMU refuses its arguments",
            '[ "$1" = --version ] && exec $REAL "$@"; echo "qemu: -machine q35: unsupported" >&2; exit 1',
            "the guest did not boot: QEMU ended with status 1: qemu: -machine q35: unsupported",
        ),
        (
            "QEMU ends at once without a word",
            '[ "$1" = --version ] && exec $REAL "$@"; exit 0',
            "the guest did not boot: .*",
        ),
    ],
)
def test_a_useless_qemu_fails_the_environment(
    lab: Lab, tmp_path: Path, state: Callable[[str, str], None], fault: str, script: str, message: str
) -> None:
    ended = lab.run(*NO_SNAPSHOT, "--accel=tcg", PATH=wrapped_qemu(tmp_path / "bin", script))
    assert ended.status == 3, ended.text
    assert set(ended.cells.values()) <= {"not-run"}
    state(fault, seen(ended, message))


def test_a_missing_qemu_fails_the_environment(
    lab: Lab, tmp_path: Path, state: Callable[[str, str], None]
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for directory in os.environ["PATH"].split(":"):
        for program in Path(directory).glob("*"):
            with suppress(FileExistsError):
                if not program.name.startswith("qemu-system"):
                    (programs / program.name).symlink_to(program)
    ended = lab.run(*FEW, PATH=str(programs))
    assert ended.status == 3, ended.text
    state("QEMU is missing", seen(ended, r"qemu-system-x86_64 is not installed"))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("phase", "line", "arguments"),
    [
        ("boots", r"starting \S+ \(tcg\)$", NO_SNAPSHOT),
        ("is restored", r"starting \S+ \(tcg\)$", FEW),
        ("runs cells", r"\d+ answered of", MANY),
    ],
)
def test_a_killed_qemu_costs_at_most_one_cell(
    lab: Lab, state: Callable[[str, str], None], phase: str, line: str, arguments: tuple[str, ...]
) -> None:
    results = lab.directory / "results.json"
    with lab.command("run", *arguments, "--accel=tcg", "--json", str(results)) as process:
        wait_for_line(process, line)
        with suppress(ProcessLookupError):
            os.kill(lab.machine_of(process), signal.SIGKILL)
        ended = lab.ended(process, results)
    counts = totals(ended.cells)
    if phase == "boots":  # no other machine could have run the cells
        assert (ended.status, set(counts)) == (3, {"not-run"}), ended.text
        state("QEMU is killed while the guest boots", seen(ended, "QEMU was ended by SIGKILL"))
        return
    assert counts.get("lost", 0) <= 1
    assert not counts.keys() & {"fail", "crash", "hang", "not-run"}
    assert ended.status == (3 if "lost" in counts else 0)
    state(f"QEMU is killed while the guest {phase}", f"status {ended.status}: {counts}")


# Signals to the command

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}
PHASES = {
    "prepares": (r"boot files for", FEW),
    "boots": (r"starting \S+ \(tcg\)$", NO_SNAPSHOT),
    "restores": (r"starting \S+ \(tcg\)$", FEW),
    "runs cells": (r"[1-9]\d* answered of", MANY),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_leaves_nothing_behind(
    lab: Lab, state: Callable[[str, str], None], number: signal.Signals, phase: str
) -> None:
    line, arguments = PHASES[phase]
    with lab.command("run", *arguments) as process:
        wait_for_line(process, line)
        process.send_signal(number)
        ended = lab.ended(process)
    # A run that was over when the signal came has its own status.
    assert ended.status in (SIGNALS[number], 0), ended.text
    if number is signal.SIGKILL:
        assert ended.status == -9
    state(f"{number.name} while the command {phase}", f"status {SIGNALS[number]}, no process or file left")


# Disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 16 MiB."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", directory], check=True, timeout=60)
    yield directory
    subprocess.run(["umount", directory], check=True, timeout=60)


def fill(disk: Path) -> None:
    """Fill a disk to its last byte."""
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def test_a_full_disk_of_the_result_file_is_reported(
    lab: Lab, disk: Path, state: Callable[[str, str], None]
) -> None:
    fill(disk)
    with lab.command("run", *FEW, "--json", str(disk / "results.json")) as process:
        ended = lab.ended(process)
    assert ended.status == 3, ended.text
    assert "2 as expected" in ended.out  # the table is still printed
    state("the disk of the result file is full", seen(ended, "cannot write .*No space left on device"))


@pytest.mark.parametrize(
    ("fault", "name", "message"),
    [
        ("the directory of the result file is missing", "missing/results.json", "missing"),
        ("the result file is a directory", "tmp", "[Ii]s a directory"),
    ],
)
def test_a_result_file_that_cannot_be_written_is_wrong_usage(
    lab: Lab, tmp_path: Path, state: Callable[[str, str], None], fault: str, name: str, message: str
) -> None:
    with lab.command("run", *FEW, "--json", str(tmp_path / name)) as process:
        ended = lab.ended(process)
    assert ended.status == 2, ended.text
    state(fault, seen(ended, f"[^\n]*{message}[^\n]*"))


def test_a_full_disk_of_temporary_files_fails_the_environment_or_nothing(
    lab: Lab, disk: Path, state: Callable[[str, str], None]
) -> None:
    fill(disk)
    ended = lab.run(*FEW, TMPDIR=str(disk))
    assert ended.status in (0, 3), ended.text
    assert set(ended.cells.values()) <= {"pass", "not-run"}
    state("the disk of TMPDIR is full", f"status {ended.status}: no temporary file is needed")


def test_a_read_only_cache_needs_no_writing(lab: Lab, state: Callable[[str, str], None]) -> None:
    if os.geteuid():
        pytest.skip("only root can mount")
    subprocess.run(["mount", "--bind", lab.cache, lab.cache], check=True, timeout=60)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", lab.cache], check=True, timeout=60)
        ended = lab.run(*FEW)
    finally:
        subprocess.run(["umount", lab.cache], check=True, timeout=60)
    assert ended.status == 3, ended.text
    state("the cache is read-only", seen(ended, "cannot create the directory .*Read-only file system"))


# Damaged entries of the cache


def entry_files(lab: Lab, kind: str) -> list[Path]:
    """Return the files of the entries of a kind, largest first."""
    files = [path for path in (lab.cache / kind).rglob("*") if path.is_file() and not path.is_symlink()]
    files = [path for path in files if ".lock" not in path.name and path.name != ".manifest.json"]
    return sorted(files, key=lambda path: -path.stat().st_size)


def truncate(path: Path) -> None:
    """Cut a file to its half."""
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    """Replace a file by text."""
    path.write_text("this is not yours\n")


def remove(path: Path) -> None:
    """Remove a file."""
    path.unlink()


@pytest.mark.exhaustive
@pytest.mark.parametrize("damage", [truncate, replace, remove], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", ["boot", "kernels", "objects", "payload", "kvm-probe", "snapshots"])
def test_a_damaged_cache_entry_is_built_again(
    lab: Lab, state: Callable[[str, str], None], kind: str, damage: Callable[[Path], None]
) -> None:
    damaged = entry_files(lab, kind)[0]
    damage(damaged)
    ended = lab.run(*FEW)
    assert ended.status == 0, ended.text
    assert totals(ended.cells) == {"pass": 2}
    what = {"truncate": "truncated", "replace": "replaced", "remove": "removed"}[damage.__name__]
    state(f"a file of the cache entry `{kind}` is {what}", "status 0; the entry is built again")


# Several runs


@pytest.mark.exhaustive
@pytest.mark.parametrize("count", [2, 4])
def test_runs_at_the_same_time_share_a_cache(lab: Lab, state: Callable[[str, str], None], count: int) -> None:
    shutil.rmtree(lab.cache / "snapshots")
    runs = [lab.command("run", *FEW) for _ in range(count)]
    processes = [run.__enter__() for run in runs]
    try:
        found = [lab.ended(process) for process in processes]
    finally:
        for run in runs:
            run.__exit__(None, None, None)
    assert [ended.status for ended in found] == [0] * count, [ended.text for ended in found]
    assert all(re.search("2 as expected", ended.out) for ended in found)
    assert len(list(lab.cache.glob("snapshots/*/state"))) == 1
    state(f"{count} runs use one cache at the same time", "status 0 of each; one snapshot")
