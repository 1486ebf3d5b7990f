"""The IDs of all BPF objects of the running kernel, to find objects that a run left behind."""

from __future__ import annotations

import ctypes as ct
import errno
import os
import time
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.protocol.uapi import SYS_BPF, BpfCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

Objects = dict[str, frozenset[int]]

GET_NEXT_ID = {
    "program": BpfCommand.PROG_GET_NEXT_ID,
    "map": BpfCommand.MAP_GET_NEXT_ID,
    "link": BpfCommand.LINK_GET_NEXT_ID,  # since Linux 5.8
}
FREE_TIMEOUT = 5.0  # seconds; the kernel frees objects after an RCU grace period
POLL = 0.05  # seconds; the kernel has no event for that

libc = ct.CDLL(None, use_errno=True)


class _Attributes(ct.Structure):
    """The part of union bpf_attr that BPF_*_GET_NEXT_ID uses."""

    _fields_ = (("start_id", ct.c_uint32), ("next_id", ct.c_uint32), ("open_flags", ct.c_uint32))


def current_ids() -> Objects:
    """Return the IDs of all BPF objects by kind: 'program', 'map', 'link'.

    Raises:
        EnvironmentFailed: the kernel does not list them.
    """
    return {kind: frozenset(_ids(kind, command)) for kind, command in GET_NEXT_ID.items()}


def _ids(kind: str, command: BpfCommand) -> Iterator[int]:
    attributes = _Attributes()
    number = SYS_BPF[os.uname().machine]
    while libc.syscall(number, command, ct.byref(attributes), ct.sizeof(attributes)) == 0:
        yield attributes.next_id
        attributes.start_id = attributes.next_id
    error = ct.get_errno()
    if error != errno.ENOENT:  # the end of the list
        raise EnvironmentFailed(
            f"the kernel does not list its BPF {kind}s: {os.strerror(error)}",
            "run as root, on a kernel with CONFIG_BPF_SYSCALL",
        )


def new_since(before: Objects) -> Objects:
    """Return the IDs that are not in `before`. Wait up to FREE_TIMEOUT for objects to be freed."""
    give_up = time.monotonic() + FREE_TIMEOUT
    while True:
        new = {kind: ids - before[kind] for kind, ids in current_ids().items()}
        if not any(new.values()) or time.monotonic() > give_up:
            return {kind: ids for kind, ids in new.items() if ids}
        time.sleep(POLL)
