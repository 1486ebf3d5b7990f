"""The kernel configuration that the agent reads."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.guest.agent import kconfig
from dynptr_harness.guest.system.sysctl import Unavailable
from dynptr_harness.protocol import kconfig as options

if TYPE_CHECKING:
    from pathlib import Path

UNSET = {"CONFIG_KPROBES", "CONFIG_FPROBE", "CONFIG_NETFILTER_BPF_LINK", "CONFIG_BPF_LIRC_MODE2"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config.gz"
    needed = {
        name for each in options.TYPES for name in (*options.TYPES[each].exist, *options.TYPES[each].attach)
    }
    values = dict.fromkeys(needed - UNSET, "y") | {"CONFIG_NET_CLS_BPF": "m"}
    with gzip.open(file, "wt") as text:
        text.write("# CONFIG_KPROBES is not set\n")
        text.write("".join(f"{name}={value}\n" for name, value in values.items()))
    monkeypatch.setattr(kconfig, "CONFIG", file)
    monkeypatch.setattr(kconfig, "LSMS", tmp_path / "lsm")
    kconfig._config.cache_clear()
    return file


def test_a_missing_option_or_security_module_is_named(config: Path) -> None:
    with pytest.raises(Unavailable, match="CONFIG_KPROBES is not set"):
        kconfig.require("KPROBE")
    with pytest.raises(Unavailable, match="CONFIG_FPROBE is not set"):
        kconfig.require("KPROBE/multi")
    for fine in ("SCHED_CLS", "SYSCALL", "LSM", "LSM/cgroup"):
        kconfig.require(fine)
    assert kconfig.options_set() == ["CONFIG_BPF_LSM"]
    assert kconfig.options_unset() == sorted(UNSET)
    config.with_name("lsm").write_text("capability,yama\n")
    for prog_type in ("LSM", "LSM/cgroup"):
        with pytest.raises(Unavailable, match="capability,yama"):
            kconfig.require(prog_type)


def test_an_unknown_configuration_lacks_nothing(config: Path) -> None:
    config.unlink()
    kconfig.require("KPROBE")
    assert kconfig.options_set() == kconfig.options_unset() == []
