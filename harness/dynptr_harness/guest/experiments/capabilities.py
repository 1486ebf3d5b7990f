"""Creates rings and loads programs in processes with few capabilities.

The request has a list of `holders`. Each becomes a child process that drops all capabilities but those in
`capabilities`, creates a ring, and loads functions of bpf_src/cases.
"""

from __future__ import annotations

import ctypes as ct
import json
import os
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.system.processes import Child
from dynptr_harness.guest.system.sysctl import changed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynptr_harness.guest.prog_types import GuestType

CAPABILITIES = {"NET_ADMIN": 12, "SYS_ADMIN": 21, "PERFMON": 38, "BPF": 39}  # uapi/linux/capability.h
CAPABILITY_VERSION_3 = 0x20080522
UNPRIVILEGED = "kernel.unprivileged_bpf_disabled"
RING_BYTES = 4096

libc = ct.CDLL(None, use_errno=True)

Reply = dict[str, Any]


class _Header(ct.Structure):
    """struct __user_cap_header_struct."""

    _fields_ = (("version", ct.c_uint32), ("pid", ct.c_int))


class _Data(ct.Structure):
    """struct __user_cap_data_struct. Version 3 takes two: for the lower and the upper 32 bits."""

    _fields_ = (("effective", ct.c_uint32), ("permitted", ct.c_uint32), ("inheritable", ct.c_uint32))


def keep_only(capabilities: list[str]) -> None:
    """Drop all capabilities of this process but these."""
    bits = sum(1 << CAPABILITIES[name] for name in capabilities)
    halves = [bits & 0xFFFFFFFF, bits >> 32]
    data = (_Data * 2)(*(_Data(half, half, 0) for half in halves))
    if libc.capset(ct.byref(_Header(CAPABILITY_VERSION_3, 0)), data) < 0:
        raise OSError(ct.get_errno(), f"capset: {os.strerror(ct.get_errno())}")


def experiment(types: Mapping[str, GuestType], request: Reply) -> Reply:
    """Return for each holder the errno of its ring, and if its programs were accepted.

    Args:
        types: program types of the module that was compiled from bpf_src/cases.

    Raises:
        Unavailable: the sysctl unprivileged_bpf_disabled cannot be changed. The value 1 is final.
    """
    with changed(UNPRIVILEGED, request["unprivileged_bpf_disabled"]):
        return {"holders": [_in_child(types, holder) for holder in request["holders"]]}


def _in_child(types: Mapping[str, GuestType], holder: Reply) -> Reply:
    reader, writer = os.pipe()

    def work() -> None:
        with os.fdopen(writer, "w") as answer:
            keep_only(holder["capabilities"])
            json.dump(_try_all(types, holder), answer)

    child = Child(work)
    os.close(writer)
    try:
        with os.fdopen(reader) as answer:
            text = answer.read()
        child.wait()
    finally:
        child.close()
    reply: Reply = json.loads(text)
    return reply


def _try_all(types: Mapping[str, GuestType], holder: Reply) -> Reply:
    return {"ring": _try_ring(), "programs": [_try_program(types, each) for each in holder["programs"]]}


def _try_ring() -> int:
    """Return 0, or the errno."""
    try:
        with libbpf.ring(RING_BYTES):
            return 0
    except OSError as error:
        return error.errno or 0


def _try_program(types: Mapping[str, GuestType], program: Reply) -> Reply:
    try:
        types[program["prog_type"]].load(program["function"]).close()
    except libbpf.LoadRefused as error:
        return {"accepted": False, "errno": error.errno, "log": error.log_or_messages}
    return {"accepted": True}
