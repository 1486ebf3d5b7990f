"""How each program type is loaded, attached and fired by a real event of the kernel.

A module a family, a class a type, one table. A new type is a C file in bpf_src/prog_types/, a class in the
module of its family, and a row in harness/dynptr_harness/conformance/prog_types.py.
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
