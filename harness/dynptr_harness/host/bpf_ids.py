"""The BPF objects that this kernel has, by their ids: what is there afterwards and was not before is ours."""

from __future__ import annotations

import ctypes as ct
import errno
import os
import time
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.protocol.uapi import SYS_BPF, Command

if TYPE_CHECKING:
    from collections.abc import Iterator

Objects = dict[str, frozenset[int]]

GET_NEXT_ID = {
    "program": Command.PROG_GET_NEXT_ID,
    "map": Command.MAP_GET_NEXT_ID,
    "link": Command.LINK_GET_NEXT_ID,  # since Linux 5.8
}
PATIENCE = 5.0  # seconds; what is let go is freed after a grace period of RCU
POLL = 0.05  # seconds; the kernel tells nobody that it has freed something

libc = ct.CDLL(None, use_errno=True)


class _Attributes(ct.Structure):
    """The part of union bpf_attr that BPF_*_GET_NEXT_ID uses."""

    _fields_ = (("start_id", ct.c_uint32), ("next_id", ct.c_uint32), ("open_flags", ct.c_uint32))


def present() -> Objects:
    """The ids of all BPF objects, by their kind. Raises EnvironmentFailed where the kernel does not tell."""
    return {kind: frozenset(_ids(kind, command)) for kind, command in GET_NEXT_ID.items()}


def _ids(kind: str, command: Command) -> Iterator[int]:
    attributes = _Attributes()
    number = SYS_BPF[os.uname().machine]
    while libc.syscall(number, command, ct.byref(attributes), ct.sizeof(attributes)) == 0:
        yield attributes.next_id
        attributes.start_id = attributes.next_id
    error = ct.get_errno()
    if error != errno.ENOENT:  # which is how the list ends
        raise EnvironmentFailed(
            f"the kernel does not list its BPF {kind}s: {os.strerror(error)}",
            "run as root, on a kernel with CONFIG_BPF_SYSCALL",
        )


def new_since(before: Objects) -> Objects:
    """What is there now and was not before, once all that is about to be freed has been."""
    give_up = time.monotonic() + PATIENCE
    while True:
        new = {kind: ids - before[kind] for kind, ids in present().items()}
        if not any(new.values()) or time.monotonic() > give_up:
            return {kind: ids for kind, ids in new.items() if ids}
        time.sleep(POLL)
