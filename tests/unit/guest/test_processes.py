"""parallel_map returns results in order and raises errors of its child processes."""

from __future__ import annotations

import os

import pytest
from dynptr_harness.guest.system.processes import parallel_map


@pytest.mark.parametrize("cpus", [1, 2, 3])
@pytest.mark.parametrize("items", [0, 1, 2, 7])
def test_results_are_in_the_order_of_the_items(
    monkeypatch: pytest.MonkeyPatch, cpus: int, items: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cpus)))
    assert parallel_map(lambda number: number * number, range(items)) == [n * n for n in range(items)]


def test_each_cpu_has_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2})
    processes = parallel_map(lambda _item: os.getpid(), range(6))
    assert processes[:3] == processes[3:]
    assert processes[0] == os.getpid()
    assert len(set(processes)) == 3


def test_a_failure_in_a_child_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    with pytest.raises(RuntimeError, match="a child process ended with 1"):
        parallel_map(lambda number: 1 // (number - 1), [0, 1])
