"""The pytest plugin. This module names the types of what the fixtures return, for annotations in tests.

They are imported when they are used: pytest imports this package in every project.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.pytest_plugin.fixtures import Bpf, Guest, Program, Ran, Refused
    from dynptr_harness.vm.failures import MachineFailed

__all__ = ["Bpf", "Guest", "Kernel", "MachineFailed", "Program", "Ran", "Refused"]

_ELSEWHERE = {"Kernel": "dynptr_harness.kernels.model", "MachineFailed": "dynptr_harness.vm.failures"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ELSEWHERE.get(name, "dynptr_harness.pytest_plugin.fixtures")), name)
