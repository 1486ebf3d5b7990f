"""Runs system calls on maps without a library, which could round or reject an argument itself.

A script is a list of actions. Each is a JSON object with its kind in `act`; `name` is the name of a map:

- `create`: create a map. The fields have the names of union bpf_attr; `inner` is the name of the inner map.
  With `by_nobody` a child process without capabilities creates it, with this value of the sysctl
  unprivileged_bpf_disabled. With `memory` a child process in a cgroup with this limit (bytes) creates it.
- `info`: read the map's struct bpf_map_info.
- `element`: `op` is 'lookup', 'update', 'delete' or 'next' (get the next key), `key` is in hex or null. For
  an update `value` may be the name of a map.
- `freeze`: freeze the map, see BPF_MAP_FREEZE.
- `mmap`: map `length` bytes at `offset` with the protection `prot` ('r', 'rw', 'rx'), shared or `private`.
- `mprotect`: set the protection of the latest mapping.
- `munmap`: remove the latest mapping. All mappings are removed at the end.

Each reply has the `errno` of the system call: 0 after success, None if the map or the mapping does not exist.
"""

from __future__ import annotations

import ctypes as ct
import mmap
import os
import struct
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.system.processes import Child
from dynptr_harness.guest.system.sysctl import changed
from dynptr_harness.protocol.uapi import SYS_BPF, BpfCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ELEMENT = {
    "lookup": BpfCommand.MAP_LOOKUP_ELEM,
    "update": BpfCommand.MAP_UPDATE_ELEM,
    "delete": BpfCommand.MAP_DELETE_ELEM,
    "next": BpfCommand.MAP_GET_NEXT_KEY,
}

# union bpf_attr: for BPF_MAP_CREATE from map_type to map_extra, with 16 bytes of name; for elements
CREATE_ATTR = struct.Struct("7I16x5IQ")
ELEMENT_ATTR = struct.Struct("I4xQQQ")

PROT = {"r": mmap.PROT_READ, "rw": mmap.PROT_READ | mmap.PROT_WRITE, "rx": mmap.PROT_READ | mmap.PROT_EXEC}
MAP_FAILED = ct.c_void_p(-1).value

NOBODY = 65534
UNPRIVILEGED = "kernel.unprivileged_bpf_disabled"
CGROUPS = Path("/sys/fs/cgroup")

libc = ct.CDLL(None, use_errno=True)
libc.syscall.restype = ct.c_long
libc.mmap.restype = ct.c_void_p
libc.mmap.argtypes = [ct.c_void_p, ct.c_size_t, ct.c_int, ct.c_int, ct.c_int, ct.c_long]
libc.mprotect.argtypes = [ct.c_void_p, ct.c_size_t, ct.c_int]
libc.munmap.argtypes = [ct.c_void_p, ct.c_size_t]

Reply = dict[str, Any]


def _bpf(command: BpfCommand, attr: bytes) -> int:
    """Return the result of bpf(2), or the negative errno."""
    buffer = ct.create_string_buffer(attr, len(attr))
    result: int = libc.syscall(SYS_BPF[os.uname().machine], command, buffer, len(attr))
    return result if result >= 0 else -ct.get_errno()


class MapScript:
    """A context manager that owns the maps and mappings of one script."""

    def __init__(self) -> None:
        self._fds: dict[str, int] = {}
        self._mapped: list[tuple[int, int]] = []  # address and length
        self._closing = ExitStack()

    def __enter__(self) -> MapScript:
        return self

    def __exit__(self, *_: object) -> None:
        while self._mapped:
            self._munmap({})
        self._closing.close()

    def perform(self, act: Reply) -> Reply:
        """Run one action and return the reply."""
        acts: dict[str, Callable[[Reply], Reply]] = {
            "create": self._create,
            "info": self._info,
            "element": self._element,
            "freeze": self._freeze,
            "mmap": self._mmap,
            "mprotect": self._mprotect,
            "munmap": self._munmap,
        }
        if act["act"] != "create" and act.get("name", "") not in {"", *self._fds}:
            return {"errno": None}
        return acts[act["act"]](act)

    def _create(self, act: Reply) -> Reply:
        if "by_nobody" in act:
            with changed(UNPRIVILEGED, act["by_nobody"]):
                return {"errno": _errno_in_child(_become_nobody, lambda: self._try_create(act))}
        if "memory" in act:
            with _cgroup(act["memory"]) as cgroup:
                return {"errno": _errno_in_child(lambda: _enter(cgroup), lambda: self._try_create(act))}
        fd = self._try_create(act)
        if fd < 0:
            return {"errno": -fd}
        self._closing.callback(os.close, fd)
        self._fds[act["name"]] = fd
        return {"errno": 0}

    def _try_create(self, act: Reply) -> int:
        inner = self._fds[act["inner"]] if "inner" in act else 0
        first = (act[field] for field in ("map_type", "key_size", "value_size", "max_entries", "map_flags"))
        attr = CREATE_ATTR.pack(*first, inner, act["numa_node"], 0, 0, 0, 0, 0, act["map_extra"])
        return _bpf(BpfCommand.MAP_CREATE, attr)

    def _info(self, act: Reply) -> Reply:
        info = libbpf.map_info(self._fds[act["name"]])
        fields = ("type", "key_size", "value_size", "max_entries", "map_flags")
        return {"errno": 0, **{field: getattr(info, field) for field in fields}}

    def _element(self, act: Reply) -> Reply:
        key = None if act["key"] is None else ct.create_string_buffer(bytes.fromhex(act["key"]))
        stored = act.get("value", act["name"])
        if stored not in self._fds:
            return {"errno": None}
        value = ct.create_string_buffer(struct.pack("I", self._fds[stored]))
        pointers = (
            0 if key is None else ct.addressof(key),
            0 if act["op"] == "delete" else ct.addressof(value),  # bpf(2) rejects a value here
        )
        result = _bpf(ELEMENT[act["op"]], ELEMENT_ATTR.pack(self._fds[act["name"]], *pointers, 0))
        return {"errno": -min(result, 0)}

    def _freeze(self, act: Reply) -> Reply:
        return {"errno": -min(_bpf(BpfCommand.MAP_FREEZE, struct.pack("I", self._fds[act["name"]])), 0)}

    def _mmap(self, act: Reply) -> Reply:
        sharing = mmap.MAP_PRIVATE if act["private"] else mmap.MAP_SHARED
        fd, length = self._fds[act["name"]], act["length"]
        address = libc.mmap(None, length, PROT[act["prot"]], sharing, fd, act["offset"])
        if address == MAP_FAILED:
            return {"errno": ct.get_errno()}
        self._mapped.append((address, length))
        return {"errno": 0}

    def _mprotect(self, act: Reply) -> Reply:
        if not self._mapped:
            return {"errno": None}
        address, length = self._mapped[-1]
        return {"errno": ct.get_errno() if libc.mprotect(address, length, PROT[act["prot"]]) else 0}

    def _munmap(self, _act: Reply) -> Reply:
        if not self._mapped:
            return {"errno": None}
        return {"errno": ct.get_errno() if libc.munmap(*self._mapped.pop()) else 0}


def _errno_in_child(prepare: Callable[[], None], call: Callable[[], int]) -> int:
    """Return the errno of a call in a child process, 0 after success. The child then ends."""
    reader, writer = os.pipe()

    def work() -> None:
        prepare()
        os.write(writer, str(-min(call(), 0)).encode())

    with os.fdopen(reader) as pipe, closing(Child(work)):
        os.close(writer)
        answer = pipe.read()
    if not answer:
        raise RuntimeError("the child process could not create the map; its traceback is on the console")
    return int(answer)


def _become_nobody() -> None:
    """Become the user nobody, without capabilities."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


@contextmanager
def _cgroup(memory: int) -> Iterator[Path]:
    """Create a cgroup with a memory limit in bytes."""
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    cgroup = CGROUPS / "little-memory"
    cgroup.mkdir()
    try:
        (cgroup / "memory.max").write_text(str(memory))
        yield cgroup
    finally:
        cgroup.rmdir()


def _enter(cgroup: Path) -> None:
    """Move this process into a cgroup."""
    (cgroup / "cgroup.procs").write_text(str(os.getpid()))
