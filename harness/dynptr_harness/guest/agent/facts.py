"""Facts about the kernel and the user space, measured in the guest."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import bcc

from dynptr_harness.guest.agent import kconfig
from dynptr_harness.guest.bpf import btf, libbpf
from dynptr_harness.guest.system.accelerator import accelerator
from dynptr_harness.protocol.kfuncs import KFUNCS
from dynptr_harness.protocol.uapi import HELPER_RINGBUF_RESERVE_DYNPTR, BpfProgType

COMPILER = Path("/payload/objects/compiler")


def _clang_version() -> str | None:
    """Return the version of BCC's clang, from the name of the mapped library."""
    mapped = re.search(r"libclang-cpp\.so\.([\d.]+)", Path("/proc/self/maps").read_text())
    return mapped.group(1) if mapped else None


def measure() -> dict[str, Any]:
    """Return all facts."""
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
        "has_helper": libbpf.has_helper(BpfProgType.KPROBE, HELPER_RINGBUF_RESERVE_DYNPTR),
        "prog_types": btf.prog_types(),
        "refused_prog_types": sorted(libbpf.refused_prog_types()),
        "options_set": kconfig.options_set(),
        "options_unset": kconfig.options_unset(),
        "kfuncs": btf.functions(KFUNCS),
        "overwriting_rings": libbpf.overwriting_rings(),
        "lsm": security.read_text().strip().split(",") if security.exists() else [],
    }
