"""The default number of machines: limited by the processors and the memory of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import cgroups, memory
from dynptr_harness.runner import parallelism

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Host = Callable[..., None]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """Return a function that fakes the number of processors and the memory of the host in MiB."""

    def made(processors: int, available_mib: int, group: str = "") -> None:
        (tmp_path / "proc/self").mkdir(parents=True)
        meminfo = f"MemTotal:       99999999 kB\nMemAvailable:   {available_mib << 10} kB\n"
        (tmp_path / "proc/meminfo").write_text(meminfo)
        (tmp_path / "proc/self/cgroup").write_text(f"4:memory:/elsewhere\n0::/{group}\n")
        monkeypatch.setattr(cgroups, "ROOT", tmp_path)
        monkeypatch.setattr(memory, "MEMINFO", tmp_path / "proc/meminfo")
        monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(processors)))

    return made


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
def test_each_machine_needs_a_cpu_and_memory(
    host: Host, processors: int, available_mib: int, memory_mib: int, expected: int
) -> None:
    host(processors, available_mib)
    assert parallelism.default(memory_mib) == expected


@pytest.mark.parametrize(
    ("processors", "machines", "expected"),
    [
        (2, 1, [()]),
        (2, 2, [(0, 1), (1, 0)]),
        (3, 3, [(0, 1, 2), (1, 2, 0), (2, 0, 1)]),
        (4, 2, [(), ()]),
        (2, 4, [(), (), (), ()]),
        (1, 1, [()]),
    ],
)
def test_as_many_machines_as_cpus_are_pinned(
    host: Host, processors: int, machines: int, expected: list[tuple[int, ...]]
) -> None:
    host(processors, 24000)
    assert [slot.processors for slot in parallelism.cpu_slots(machines)] == expected


@pytest.mark.parametrize(
    ("processors", "machines", "expected"), [(2, 1, False), (4, 3, False), (2, 2, True), (2, 3, True)]
)
def test_vcpus_take_turns_if_every_cpu_has_a_machine(
    host: Host, processors: int, machines: int, expected: bool
) -> None:
    host(processors, 24000)
    assert [slot.round_robin for slot in parallelism.cpu_slots(machines)] == [expected] * machines


@pytest.mark.parametrize(
    ("group", "limits", "expected"),
    [
        ("", {"memory.max": "max", "cpu.max": "max 100000"}, 8),
        ("", {"memory.max": str(4 << 30)}, 2),
        ("", {"cpu.max": "350000 100000"}, 3),
        ("", {"cpu.max": "50000 100000"}, 1),
        ("a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "600000 100000"}, 6),
        ("a/b", {"a/memory.max": str(6 << 30), "a/b/memory.max": str(5 << 30), "c/memory.max": "1"}, 3),
        ("only/in/another/namespace", {"memory.max": str(4 << 30)}, 2),
    ],
)
def test_cgroup_limits_count(
    host: Host, tmp_path: Path, group: str, limits: dict[str, str], expected: int
) -> None:
    host(8, 32000, group)
    for name, limit in limits.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit + "\n")
    assert parallelism.default(1024) == expected
