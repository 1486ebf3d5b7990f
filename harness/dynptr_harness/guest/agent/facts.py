"""What this kernel and this user space are, measured here and not taken from anyone's word."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import bcc

from dynptr_harness.guest.agent import kconfig
from dynptr_harness.guest.bpf import btf, libbpf

HELPER = 198  # BPF_FUNC_ringbuf_reserve_dynptr
# Those that programs of bpf_src/elf call.
KFUNCS = (
    "bpf_copy_from_user_dynptr",
    "bpf_copy_from_user_str_dynptr",
    "bpf_dynptr_adjust",
    "bpf_dynptr_clone",
    "bpf_dynptr_copy",
    "bpf_dynptr_from_skb",
    "bpf_dynptr_is_null",
    "bpf_dynptr_is_rdonly",
    "bpf_dynptr_memset",
    "bpf_dynptr_size",
    "bpf_dynptr_slice",
    "bpf_dynptr_slice_rdwr",
    "bpf_iter_num_new",
    "bpf_local_irq_save",
    "bpf_preempt_disable",
    "bpf_probe_read_kernel_dynptr",
    "bpf_probe_read_user_dynptr",
    "bpf_probe_read_user_str_dynptr",
    "bpf_rcu_read_lock",
    "bpf_throw",
    "bpf_verify_pkcs7_signature",
)

COMPILER = Path("/payload/objects/compiler")
CLOCKSOURCES = Path("/sys/devices/system/clocksource/clocksource0/available_clocksource")


def accelerator() -> str:
    """'kvm', 'tcg' or 'unknown', from what only one of them shows to a guest.

    TCG's `-cpu max` names itself in the CPU's model name; KVM offers a clock source of its own.
    """
    if re.search(r"^model name\s*:\s*QEMU TCG CPU", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
        return "tcg"
    if CLOCKSOURCES.exists() and "kvm-clock" in CLOCKSOURCES.read_text().split():
        return "kvm"
    return "unknown"


def _clang_version() -> str | None:
    """Version of the clang that BCC runs, from the library that it has mapped into this process."""
    mapped = re.search(r"libclang-cpp\.so\.([\d.]+)", Path("/proc/self/maps").read_text())
    return mapped.group(1) if mapped else None


def measure() -> dict[str, Any]:
    """The facts, ready for JSON."""
    security = Path("/sys/kernel/security/lsm")
    return {
        "release": os.uname().release,
        "version": os.uname().version,
        "arch": os.uname().machine,
        "byteorder": sys.byteorder,
        "page_size": os.sysconf("SC_PAGE_SIZE"),
        "cpus": os.cpu_count(),
        "accelerator": accelerator(),
        "python": sys.version.split()[0],
        "bcc": bcc.__version__,
        "libbpf": libbpf.libbpf_version(),
        "clang": _clang_version(),
        "clang_of_objects": COMPILER.read_text() if COMPILER.exists() else None,
        "has_helper": libbpf.has_helper(libbpf.ProgType.KPROBE, HELPER),
        "prog_types": btf.prog_types(),
        "refused_prog_types": sorted(libbpf.refused_prog_types()),
        "options_set": kconfig.options_set(),
        "kfuncs": btf.functions(KFUNCS),
        "overwriting_rings": libbpf.overwriting_rings(),
        "lsm": security.read_text().strip().split(",") if security.exists() else [],
    }
