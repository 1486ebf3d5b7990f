"""Kernel configuration options, from /proc/config.gz."""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path

from dynptr_harness.guest.system.sysctl import Unavailable

CONFIG = Path("/proc/config.gz")  # needs CONFIG_IKCONFIG_PROC
LSMS = Path("/sys/kernel/security/lsm")

# Options that a program type needs to be attached and fired, beyond those that it needs to be loaded.
ATTACH_OPTIONS = {
    "KPROBE": ("CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS"),
    "LWT_SEG6LOCAL": ("CONFIG_IPV6_SEG6_LWTUNNEL",),
    "NETFILTER": ("CONFIG_NETFILTER_BPF_LINK",),
    "SCHED_ACT": ("CONFIG_NET_ACT_BPF",),
    "SCHED_CLS": ("CONFIG_NET_CLS_BPF",),
    "TRACEPOINT": ("CONFIG_FTRACE_SYSCALLS",),
    "TRACING": ("CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",),
}

# Options without which a program type does not exist.
TYPE_OPTIONS = ("CONFIG_BPF_LIRC_MODE2", "CONFIG_BPF_LSM")


@cache
def _config() -> str:
    """Return the kernel's configuration, '' if it is unknown."""
    if not CONFIG.exists():
        return ""
    with gzip.open(CONFIG, "rt") as config:
        return config.read()


def options_set() -> list[str]:
    """Return the options of TYPE_OPTIONS that are known to be set."""
    return [name for name in TYPE_OPTIONS if re.search(rf"^{name}=y$", _config(), re.MULTILINE)]


def require(prog_type: str) -> None:
    """Check that programs of this type can be attached and fired.

    Raises:
        Unavailable: the kernel lacks an option or a security module.
    """
    for option in ATTACH_OPTIONS.get(prog_type, ()):
        if re.search(rf"^# {option} is not set$", _config(), re.MULTILINE):
            raise Unavailable(f"{option} is not set")
    if prog_type == "LSM" and LSMS.exists() and "bpf" not in LSMS.read_text().strip().split(","):
        raise Unavailable(f"bpf is not among the security modules {LSMS.read_text().strip()}")
