"""What the kernel was built and started without, as far as it says so itself."""

from __future__ import annotations

import gzip
import re
from functools import cache
from pathlib import Path

from dynptr_harness.guest.system.sysctl import Unavailable

CONFIG = Path("/proc/config.gz")  # with CONFIG_IKCONFIG_PROC
LSMS = Path("/sys/kernel/security/lsm")

# What it takes to attach a program of a type, and to have its event, beyond what it takes to load one.
NEEDED = {
    "KPROBE": ("CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS"),
    "LWT_SEG6LOCAL": ("CONFIG_IPV6_SEG6_LWTUNNEL",),
    "NETFILTER": ("CONFIG_NETFILTER_BPF_LINK",),
    "SCHED_ACT": ("CONFIG_NET_ACT_BPF",),
    "SCHED_CLS": ("CONFIG_NET_CLS_BPF",),
    "TRACEPOINT": ("CONFIG_FTRACE_SYSCALLS",),
    "TRACING": ("CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",),
}


# The options that whole program types depend on.
TYPE_OPTIONS = ("CONFIG_BPF_LIRC_MODE2", "CONFIG_BPF_LSM")


@cache
def _config() -> str:
    """The kernel's configuration; '' where it does not tell."""
    if not CONFIG.exists():
        return ""
    with gzip.open(CONFIG, "rt") as config:
        return config.read()


def options_set() -> list[str]:
    """Those options of whole program types that are known to be set."""
    return [name for name in TYPE_OPTIONS if re.search(rf"^{name}=y$", _config(), re.MULTILINE)]


def demand(prog_type: str) -> None:
    """Go on where a program of this type can be attached and be run by an event.

    Raises:
        Unavailable: the kernel lacks what that takes.
    """
    for option in NEEDED.get(prog_type, ()):
        if re.search(rf"^# {option} is not set$", _config(), re.MULTILINE):
            raise Unavailable(f"{option} is not set")
    if prog_type == "LSM" and LSMS.exists() and "bpf" not in LSMS.read_text().strip().split(","):
        raise Unavailable(f"bpf is not among the security modules {LSMS.read_text().strip()}")
