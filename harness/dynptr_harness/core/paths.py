"""Directories of the installed package and of the checkout."""

from __future__ import annotations

from pathlib import Path

import dynptr_harness

PACKAGE = Path(dynptr_harness.__file__).parent
CHECKOUT = PACKAGE.parents[1]


def bpf_src() -> Path:
    """Return the directory of the C programs: the installed copy, or the one of the checkout."""
    installed = PACKAGE / "bpf_src"
    return installed if installed.is_dir() else CHECKOUT / "bpf_src"
