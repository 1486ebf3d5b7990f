"""The program types: how to load and attach their programs, and how to trigger them with a real event.

Each module has one family of types, and each class one type. A new type needs a C file in
bpf_src/prog_types/, a class here, and a row in harness/dynptr_harness/conformance/prog_types.py.
"""

from __future__ import annotations

from dynptr_harness.guest.prog_types import (
    btf_hooks,
    cgroup,
    ext,
    lirc,
    lwt,
    network,
    sockets,
    struct_ops,
    syscall,
    tracing,
)
from dynptr_harness.guest.prog_types.base import AttachFailed, GuestType

__all__ = ["TYPES", "AttachFailed", "GuestType"]

_FAMILIES = (cgroup, ext, btf_hooks, lirc, network, lwt, sockets, struct_ops, syscall, tracing)

TYPES: dict[str, type[GuestType]] = {kind.name: kind for family in _FAMILIES for kind in family.TYPES}
