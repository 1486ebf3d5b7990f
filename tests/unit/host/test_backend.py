"""The running kernel made ready: who may ask it, what it is not asked unbidden, and what was left behind."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.guest.agent import kconfig
from dynptr_harness.guest.system.sysctl import Unavailable
from dynptr_harness.host import backend, bpf_ids
from dynptr_harness.runner.timing import Timed

if TYPE_CHECKING:
    from pathlib import Path


def ready(tmp_path: Path, *selectors: str) -> None:
    plan = make(PROG_TYPES, CASES, ["SYSCALL"], ["ATT-001"])
    backend.ready(selectors, plan, disturb=False, settings=Settings(tmp_path), progress=Timed(Silent()))


def test_it_is_asked_alone(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="asked alone"):
        ready(tmp_path, "host", "6.12")


def test_only_root_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentFailed, match="only root") as raised:
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
def test_what_has_effects_beyond_the_agent_is_known(request_: dict[str, Any], expected: bool) -> None:
    assert backend.disturbs(request_) is expected


def test_of_the_whole_catalogue_few_cells_are_left_out() -> None:
    plan = make(PROG_TYPES, CASES)
    left_out = {cell.case.id for cell in plan.cells if backend.disturbs(cell.request)}
    assert left_out
    assert any(name.startswith("LOD") for name in left_out)
    assert len(left_out) < len(CASES) / 10


def test_a_choice_of_which_nothing_is_left_is_refused() -> None:
    plan = make(PROG_TYPES, CASES, (), ["LOD*"])
    with pytest.raises(WrongUsage, match="disturbs") as raised:
        backend._undisturbing(plan, Timed(Silent()))
    assert "--disturb" in raised.value.hint


def test_what_goes_away_in_time_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"program": frozenset({1}), "map": frozenset({1}), "link": frozenset[int]()}
    looks = iter([{**before, "program": frozenset({1, 7})}, before])
    monkeypatch.setattr(bpf_ids, "present", lambda: next(looks))
    assert bpf_ids.new_since(before) == {}


def test_what_stays_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"program": frozenset({1}), "map": frozenset({1}), "link": frozenset[int]()}
    monkeypatch.setattr(bpf_ids, "PATIENCE", 0.0)
    monkeypatch.setattr(bpf_ids, "present", lambda: {**before, "link": frozenset({3})})
    assert bpf_ids.new_since(before) == {"link": {3}}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.gz"
    with gzip.open(file, "wt") as text:
        text.write("# CONFIG_KPROBES is not set\nCONFIG_BPF_LSM=y\nCONFIG_NET_CLS_BPF=m\n")
    monkeypatch.setattr(kconfig, "CONFIG", file)
    monkeypatch.setattr(kconfig, "LSMS", tmp_path / "lsm")
    kconfig._config.cache_clear()
    return file


def test_a_type_that_the_configuration_lacks_is_named_with_the_option(config: Path) -> None:
    with pytest.raises(Unavailable, match="CONFIG_KPROBES is not set"):
        kconfig.demand("KPROBE")
    for fine in ("SCHED_CLS", "SYSCALL", "LSM"):
        kconfig.demand(fine)
    assert kconfig.options_set() == ["CONFIG_BPF_LSM"]
    config.with_name("lsm").write_text("capability,yama\n")
    with pytest.raises(Unavailable, match="capability,yama"):
        kconfig.demand("LSM")


def test_a_kernel_that_does_not_tell_its_configuration_lacks_nothing(config: Path) -> None:
    config.unlink()
    kconfig.demand("KPROBE")
    assert kconfig.options_set() == []
