"""The kernel configuration that the agent reads."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.guest.agent import kconfig
from dynptr_harness.guest.system.sysctl import Unavailable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.gz"
    with gzip.open(file, "wt") as text:
        text.write("# CONFIG_KPROBES is not set\nCONFIG_BPF_LSM=y\nCONFIG_NET_CLS_BPF=m\n")
    monkeypatch.setattr(kconfig, "CONFIG", file)
    monkeypatch.setattr(kconfig, "LSMS", tmp_path / "lsm")
    kconfig._config.cache_clear()
    return file


def test_a_missing_option_or_security_module_is_named(config: Path) -> None:
    with pytest.raises(Unavailable, match="CONFIG_KPROBES is not set"):
        kconfig.require("KPROBE")
    for fine in ("SCHED_CLS", "SYSCALL", "LSM"):
        kconfig.require(fine)
    assert kconfig.options_set() == ["CONFIG_BPF_LSM"]
    config.with_name("lsm").write_text("capability,yama\n")
    with pytest.raises(Unavailable, match="capability,yama"):
        kconfig.require("LSM")


def test_an_unknown_configuration_lacks_nothing(config: Path) -> None:
    config.unlink()
    kconfig.require("KPROBE")
    assert kconfig.options_set() == []
