"""Calls of bpf(2) and mmap(2) on maps, and their expected results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dynptr_harness.conformance.experiments.base import RING_SIZE, Finding
from dynptr_harness.conformance.experiments.script import Act, Script
from dynptr_harness.protocol import uapi

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.conformance.experiments.base import Reply

PAGE = RING_SIZE

ARRAY_OF_MAPS = uapi.MapType.ARRAY_OF_MAPS.value
RINGBUF = uapi.MapType.RINGBUF.value
USER_RINGBUF = uapi.MapType.USER_RINGBUF.value

# Flags of BPF_MAP_CREATE, include/uapi/linux/bpf.h
NO_PREALLOC = 1 << 0
NUMA_NODE = 1 << 2
RDONLY = 1 << 3
WRONLY = 1 << 4
RDONLY_PROG = 1 << 7
MMAPABLE = uapi.BPF_F_MMAPABLE
INNER_MAP = 1 << 12
RB_OVERWRITE = uapi.BPF_F_RB_OVERWRITE


@dataclass(frozen=True)
class _Call:
    """A call on the map `name`. `errno` is 0 for success, None if the map does not exist."""

    errno: int | None = 0
    name: str = "ring"

    def request(self) -> dict[str, Any]:
        return {"act": type(self).__name__.lower(), "name": self.name}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        arguments = {key: value for key, value in self.request().items() if key != "act"}
        text = ", ".join(f"{key} {value}" for key, value in arguments.items() if value not in (0, None))
        yield Finding(f"errno of {self.request()['act']} ({text})", self.errno, seen["errno"])


@dataclass(frozen=True)
class Create(_Call):
    """Creates a map. The fields are those of union bpf_attr.

    Attributes:
        inner: name of the inner map.
        by_nobody: value of unprivileged_bpf_disabled while a process without capabilities creates the map.
        memory: memory limit of the creating process in bytes.
    """

    max_entries: int = RING_SIZE
    map_flags: int = 0
    map_type: int = RINGBUF
    key_size: int = 0
    value_size: int = 0
    numa_node: int = 0
    map_extra: int = 0
    inner: str | None = None
    by_nobody: int | None = None
    memory: int | None = None

    def request(self) -> dict[str, Any]:
        fields = ("max_entries", "map_flags", "map_type", "key_size", "value_size", "numa_node", "map_extra")
        only_if_set = ("inner", "by_nobody", "memory")
        return {
            **super().request(),
            **{field: getattr(self, field) for field in fields},
            **{field: getattr(self, field) for field in only_if_set if getattr(self, field) is not None},
        }


@dataclass(frozen=True)
class Info(_Call):
    """Gets the info of the map."""

    max_entries: int = RING_SIZE
    map_flags: int = 0
    type: int = RINGBUF

    def findings(self, seen: Reply) -> Iterator[Finding]:
        yield from super().findings(seen)
        if self.errno != 0:
            return
        want = {"type": self.type, "key_size": 0, "value_size": 0}
        want |= {"max_entries": self.max_entries, "map_flags": self.map_flags}
        yield Finding("info", want, {key: seen.get(key) for key in want})


@dataclass(frozen=True)
class Element(_Call):
    """Looks up, updates or deletes an element, or gets the next key.

    Attributes:
        key: None for a null pointer.
        value: name of the map to store, for an update.
    """

    op: Literal["lookup", "update", "delete", "next"] = "lookup"
    key: bytes | None = None
    value: str | None = None

    def request(self) -> dict[str, Any]:
        key = None if self.key is None else self.key.hex()
        value = {"value": self.value} if self.value else {}
        return {**super().request(), "op": self.op, "key": key, **value}


@dataclass(frozen=True)
class Freeze(_Call):
    """Freezes the map: user space can no longer write it."""


@dataclass(frozen=True)
class Mmap(_Call):
    """Maps a part of the map until Munmap or the end."""

    offset: int = 0
    length: int = PAGE
    prot: Literal["r", "rw", "rx"] = "r"
    private: bool = False

    def request(self) -> dict[str, Any]:
        arguments = {"offset": self.offset, "length": self.length, "prot": self.prot, "private": self.private}
        return {**super().request(), **arguments}


@dataclass(frozen=True)
class Mprotect(_Call):
    """Changes the protection of the last mapping."""

    prot: Literal["r", "rw", "rx"] = "r"

    def request(self) -> dict[str, Any]:
        return {"act": "mprotect", "prot": self.prot}


@dataclass(frozen=True)
class Munmap(_Call):
    """Removes the last mapping."""

    def request(self) -> dict[str, Any]:
        return {"act": "munmap"}


@dataclass(frozen=True)
class MapCalls(Script):
    """A sequence of calls without a program. The maps exist until its end."""

    object: str = ""

    def request(self) -> dict[str, Any]:
        return {"kind": "maps", "acts": [act.request() for act in self.acts]}


def calls(*acts: Act) -> MapCalls:
    """Return an experiment that makes these calls in order."""
    return MapCalls(acts)
