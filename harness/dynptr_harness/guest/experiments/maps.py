"""Maps made, asked, mapped and frozen by bare system calls.

A library would round a size, repair an argument or refuse it by itself; here only the kernel answers. The
calls are a list, each a JSON object with its name in `act`; a map is called by its `name`:

- `create`: a map, with the fields of union bpf_attr as they are called there; `inner` names the map that is
  its inner map. It may be made by a child process: `by_nobody`, without capabilities, while the sysctl
  unprivileged_bpf_disabled is what this says; or in a cgroup with at most `memory` bytes.
- `info`: what the kernel says of the map.
- `element`: `lookup`, `update`, `delete` or `next` (key), with `key` in hex or null; to update, `value` may
  name a map.
- `freeze`: user space may no longer write it.
- `mmap`: `length` bytes of the map at `offset`, with `prot` ('r', 'rw', 'rx'), shared or `private`; what is
  mapped stays so until `munmap` or the end.
- `mprotect`: other protection for what was mapped last.

Each answers with the `errno` of its system call, 0 where it succeeded; None where the map does not exist.
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
from dynptr_harness.protocol.uapi import SYS_BPF, Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ELEMENT = {
    "lookup": Command.MAP_LOOKUP_ELEM,
    "update": Command.MAP_UPDATE_ELEM,
    "delete": Command.MAP_DELETE_ELEM,
    "next": Command.MAP_GET_NEXT_KEY,
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


def _bpf(command: Command, attr: bytes) -> int:
    """bpf(2): its result, or the negative errno."""
    buffer = ct.create_string_buffer(attr, len(attr))
    result: int = libc.syscall(SYS_BPF[os.uname().machine], command, buffer, len(attr))
    return result if result >= 0 else -ct.get_errno()


class Maps:
    """The maps of one request, each under its name; a context manager."""

    def __init__(self) -> None:
        self._fds: dict[str, int] = {}
        self._mapped: list[tuple[int, int]] = []  # address and length
        self._props = ExitStack()

    def __enter__(self) -> Maps:
        return self

    def __exit__(self, *_: object) -> None:
        while self._mapped:
            self._munmap({})
        self._props.close()

    def perform(self, act: Reply) -> Reply:
        """Do one call; what the kernel answered."""
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
                return {"errno": _errno_in_child(_become_nobody, lambda: self._attempt(act))}
        if "memory" in act:
            with _cgroup_of(act["memory"]) as folder:
                return {"errno": _errno_in_child(lambda: _enter(folder), lambda: self._attempt(act))}
        fd = self._attempt(act)
        if fd < 0:
            return {"errno": -fd}
        self._props.callback(os.close, fd)
        self._fds[act["name"]] = fd
        return {"errno": 0}

    def _attempt(self, act: Reply) -> int:
        inner = self._fds[act["inner"]] if "inner" in act else 0
        first = (act[field] for field in ("map_type", "key_size", "value_size", "max_entries", "map_flags"))
        attr = CREATE_ATTR.pack(*first, inner, act["numa_node"], 0, 0, 0, 0, 0, act["map_extra"])
        return _bpf(Command.MAP_CREATE, attr)

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
            0 if act["op"] == "delete" else ct.addressof(value),  # refused where it has no meaning
        )
        result = _bpf(ELEMENT[act["op"]], ELEMENT_ATTR.pack(self._fds[act["name"]], *pointers, 0))
        return {"errno": -min(result, 0)}

    def _freeze(self, act: Reply) -> Reply:
        return {"errno": -min(_bpf(Command.MAP_FREEZE, struct.pack("I", self._fds[act["name"]])), 0)}

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
    """The errno of a call in a child process, 0 where it succeeded; what it made goes with the child."""
    reader, writer = os.pipe()

    def work() -> None:
        prepare()
        os.write(writer, str(-min(call(), 0)).encode())

    with os.fdopen(reader) as told, closing(Child(work)):
        os.close(writer)
        answer = told.read()
    if not answer:
        raise RuntimeError("the child that was to make a map could not; the console says more")
    return int(answer)


def _become_nobody() -> None:
    """Drop every capability."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


@contextmanager
def _cgroup_of(memory: int) -> Iterator[Path]:
    """A cgroup whose processes may use so many bytes."""
    (CGROUPS / "cgroup.subtree_control").write_text("+memory")
    folder = CGROUPS / "little-memory"
    folder.mkdir()
    try:
        (folder / "memory.max").write_text(str(memory))
        yield folder
    finally:
        folder.rmdir()


def _enter(folder: Path) -> None:
    """Move this process into a cgroup."""
    (folder / "cgroup.procs").write_text(str(os.getpid()))
