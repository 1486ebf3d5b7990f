"""How many machines a host can bear: by its processors and its memory, whichever is less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.asking import jobs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("processors", "available_mib", "memory_mib", "expected"),
    [
        (2, 24000, 1024, 2),
        (16, 24000, 1024, 15),
        (16, 24000, 4096, 5),
        (8, 2000, 1024, 1),
        (8, 100, 1024, 1),
        (1, 24000, 1024, 1),
    ],
)
def test_each_machine_has_a_processor_and_its_memory(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    processors: int,
    available_mib: int,
    memory_mib: int,
    expected: int,
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:       99999999 kB\nMemAvailable:   {available_mib << 10} kB\n")
    monkeypatch.setattr(jobs, "MEMINFO", meminfo)
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(processors)))
    assert jobs.default(memory_mib) == expected
