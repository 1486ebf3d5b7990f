"""The console: its file, its tail, and the detection of panics and splats."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.vm import console as module
from dynptr_harness.vm.console import TAIL_LINES, Console
from dynptr_harness.vm.failures import FailureKind, explain_end

if TYPE_CHECKING:
    from pathlib import Path


def followed(path: Path, *chunks: bytes) -> Console:
    async def follow() -> Console:
        console = Console(path)
        stream = asyncio.StreamReader()
        for chunk in chunks:
            stream.feed_data(chunk)
        stream.feed_eof()
        await console.follow(stream)
        return console

    return asyncio.run(follow())


def test_the_file_has_all_bytes_and_the_tail_the_last_lines(tmp_path: Path) -> None:
    lines = [b"line %d \xff\r\n" % number for number in range(200)]
    console = followed(tmp_path / "console.txt", b"".join(lines), b"no newline")
    assert console.path.read_bytes() == b"".join(lines) + b"no newline"
    assert len(console.tail().splitlines()) == TAIL_LINES
    assert console.tail().endswith("line 199 \N{REPLACEMENT CHARACTER}\nno newline")


@pytest.mark.parametrize(
    ("line", "panic", "splats"),
    [
        ("[    2.5] Kernel panic - not syncing: Oops", "Kernel panic - not syncing: Oops", []),
        ("Kernel panic - not syncing: early", "Kernel panic - not syncing: early", []),
        ("sh: [    2.5] Kernel panic - not syncing: x", "Kernel panic - not syncing: x", []),
        ("data is corrupt -- System halted", "data is corrupt -- System halted", []),
        ("[    2.5][  T123] BUG: unable to handle page fault", None, ["BUG: unable to handle page fault"]),
        ("[   12.5] WARNING: CPU: 0 PID: 1 at a.c:1", None, ["WARNING: CPU: 0 PID: 1 at a.c:1"]),
        ("[   12.5] WARNING: a.c:1 at f+0x1/0x2, CPU#0", None, ["WARNING: a.c:1 at f+0x1/0x2, CPU#0"]),
        ("[   12.5] Oops: general protection fault", None, ["Oops: general protection fault"]),
        ("[   30.0] watchdog: BUG: soft lockup - CPU#0", None, ["watchdog: BUG: soft lockup - CPU#0"]),
        ("[   30.0] rcu: INFO: rcu_preempt self-detected stall on CPU", None,
         ["rcu: INFO: rcu_preempt self-detected stall on CPU"]),
        ("[    1.0] erofs: (device vda): mounted", None, []),
        ("a program says: Kernel panic - not syncing: never", None, []),
    ],
)  # fmt: skip
def test_panics_and_splats_are_detected(
    tmp_path: Path, line: str, panic: str | None, splats: list[str]
) -> None:
    console = followed(tmp_path / "console.txt", line.encode()[:10], line.encode()[10:] + b"\n")
    assert (console.panic, console.splats) == (panic, splats)
    assert console.panicked.is_set() == bool(panic)


@pytest.mark.parametrize(
    ("said", "status", "shutdown", "kind", "reason"),
    [
        ("Kernel panic - not syncing: x", 0, "guest-reset", FailureKind.CRASH, "Kernel panic - not syncing"),
        ("Kernel panic - not syncing: x", -9, None, FailureKind.CRASH, "Kernel panic - not syncing: x"),
        ("", 0, "guest-reset", FailureKind.CRASH, "the guest reset itself without a panic"),
        ("dynptr-harness: cannot mount bpf", -9, None, FailureKind.LOST, "QEMU was ended by SIGKILL"),
        ("dynptr-harness: the agent ended with status 1", 0, "guest-shutdown", FailureKind.LOST,
         "the agent ended with status 1"),
        ("qemu: no room", 1, None, FailureKind.LOST, "QEMU ended with status 1: qemu: no room"),
        ("", 0, "host-signal", FailureKind.LOST, "QEMU ended by itself (host-signal)"),
        ("", 0, None, FailureKind.LOST, "QEMU ended by itself (no reason given)"),
    ],
)  # fmt: skip
def test_the_strongest_evidence_explains_the_end_of_qemu(
    tmp_path: Path, said: str, status: int, shutdown: str | None, kind: FailureKind, reason: str
) -> None:
    console = followed(tmp_path / "console.txt", said.encode())
    found, why = explain_end(console, status, shutdown)
    assert (found, why[: len(reason)]) == (kind, reason)


def test_a_console_without_end_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_FILE", 1000)
    flood = [b"flood\n" * 100] * 10
    console = followed(tmp_path / "console.txt", *flood, b"Kernel panic - not syncing: at last\n")
    assert console.path.read_bytes() == b"".join(flood)[:1000] + module.CUT
    assert console.panic == "Kernel panic - not syncing: at last"


def test_a_line_without_end_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 100)
    console = followed(tmp_path / "console.txt", *[b"x" * (1 << 16)] * 4)
    assert max(map(len, console.tail().splitlines())) <= 2 << 16


def test_warnings_without_end_are_counted_to_a_limit(tmp_path: Path) -> None:
    warning = b"WARNING: CPU: 0 PID: 1 at a.c:1\n"
    console = followed(tmp_path / "console.txt", warning * 2000)
    assert len(console.splats) == module.MOST_SPLATS


def test_an_extract_of_a_long_console_has_its_beginning_and_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_EXTRACT", 100)
    console = followed(tmp_path / "console.txt", b"earlier", b"first", b"x" * 1000, b"last")
    extract = console.since(len(b"earlier"))
    assert extract.startswith("first")
    assert extract.endswith("last")
    assert len(extract) < 200
    assert console.since(console.size - 20) == "x" * 16 + "last"
