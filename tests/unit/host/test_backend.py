"""The backend for the running kernel: permissions, cells that disturb the machine, and leftover objects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.host import backend, bpf_ids
from dynptr_harness.runner.timing import Timed

if TYPE_CHECKING:
    from pathlib import Path


def ready(tmp_path: Path, *selectors: str) -> None:
    plan = make(PROG_TYPES, CASES, ["SYSCALL"], ["ATT-001"])
    backend.ready(selectors, plan, disturb=False, settings=Settings(tmp_path), progress=Timed(Silent()))


def test_the_running_kernel_cannot_be_combined_with_others(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="cannot be combined"):
        ready(tmp_path, "host", "6.12")


def test_root_is_required(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentFailed, match="needs root") as raised:
        ready(tmp_path, "host")
    assert "sudo" in raised.value.hint


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"kind": "script", "acts": [{"act": "peek"}]}, False),
        ({"kind": "load", "functions": ["one"]}, False),
        ({"kind": "load", "functions": ["one"], "sysctl": {"net.core.bpf_jit_harden": 2}}, True),
        ({"kind": "flood"}, True),
        ({"kind": "rights"}, True),
        ({"kind": "maps", "acts": [{"act": "create", "memory": 4096}]}, True),
        ({"kind": "maps", "acts": [{"act": "create", "by_nobody": 2}]}, True),
        ({"kind": "maps", "acts": [{"act": "create"}]}, False),
    ],
)
def test_requests_that_affect_other_processes_disturb(request_: dict[str, Any], expected: bool) -> None:
    assert backend.disturbs(request_) is expected


def test_few_cases_disturb() -> None:
    plan = make(PROG_TYPES, CASES)
    left_out = {cell.case.id for cell in plan.cells if backend.disturbs(cell.request)}
    assert left_out
    assert any(name.startswith("LOD") for name in left_out)
    assert len(left_out) < len(CASES) / 10


def test_a_selection_of_disturbing_cells_only_is_wrong_usage() -> None:
    plan = make(PROG_TYPES, CASES, (), ["LOD*"])
    with pytest.raises(WrongUsage, match="disturb") as raised:
        backend._without_disturbing_cells(plan, Timed(Silent()))
    assert "--disturb" in raised.value.hint


def test_an_object_that_is_freed_in_time_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"program": frozenset({1}), "map": frozenset({1}), "link": frozenset[int]()}
    looks = iter([{**before, "program": frozenset({1, 7})}, before])
    monkeypatch.setattr(bpf_ids, "current_ids", lambda: next(looks))
    assert bpf_ids.new_since(before) == {}


def test_an_object_that_is_not_freed_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"program": frozenset({1}), "map": frozenset({1}), "link": frozenset[int]()}
    monkeypatch.setattr(bpf_ids, "FREE_TIMEOUT", 0.0)
    monkeypatch.setattr(bpf_ids, "current_ids", lambda: {**before, "link": frozenset({3})})
    assert bpf_ids.new_since(before) == {"link": {3}}
