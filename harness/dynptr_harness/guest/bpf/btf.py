"""The BTF of the kernel, and new BTF for programs that have none from BCC or clang.

It is read and built with the libbpf inside libbcc. Parsing the kernel's BTF takes 0.1 s.
"""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from bcc.libbcc import lib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KIND_STRUCT, KIND_ENUM, KIND_FUNC = 4, 6, 12
SIGNED, GLOBAL = 1, 1  # BTF_INT_SIGNED, BTF_FUNC_GLOBAL
POINTER_BYTES = ct.sizeof(ct.c_void_p)


def _declare(name: str, result: type | None, *arguments: type) -> None:
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments


_BTF, _ID, _TEXT, _INT = ct.c_void_p, ct.c_uint32, ct.c_char_p, ct.c_int
_declare("btf__load_vmlinux_btf", _BTF)
_declare("btf__free", None, _BTF)
_declare("btf__find_by_name_kind", ct.c_int32, _BTF, _TEXT, _ID)
_declare("btf__type_by_id", ct.c_void_p, _BTF, _ID)
_declare("btf__name_by_offset", _TEXT, _BTF, _ID)
_declare("btf__new_empty", _BTF)
_declare("btf__add_int", _INT, _BTF, _TEXT, ct.c_size_t, _INT)
_declare("btf__add_struct", _INT, _BTF, _TEXT, _ID)
_declare("btf__add_ptr", _INT, _BTF, _INT)
_declare("btf__add_func_proto", _INT, _BTF, _INT)
_declare("btf__add_func_param", _INT, _BTF, _TEXT, _INT)
_declare("btf__add_func", _INT, _BTF, _TEXT, _INT, _INT)
_declare("btf__load_into_kernel", _INT, _BTF)
_declare("btf__fd", _INT, _BTF)


class _Type(ct.Structure):
    """struct btf_type. Its enumerators or members follow in memory."""

    _fields_ = (("name_off", ct.c_uint32), ("info", ct.c_uint32), ("size_or_type", ct.c_uint32))

    @property
    def count(self) -> int:
        """The number of enumerators or members."""
        return int(self.info & 0xFFFF)


class _Enum(ct.Structure):
    """struct btf_enum."""

    _fields_ = (("name_off", ct.c_uint32), ("val", ct.c_int32))


class _Member(ct.Structure):
    """struct btf_member; the offset is in bits."""

    _fields_ = (("name_off", ct.c_uint32), ("type", ct.c_uint32), ("offset", ct.c_uint32))


@contextmanager
def _of_kernel() -> Iterator[int | None]:
    """Yield the BTF of the kernel, or None if it has no BTF."""
    btf = lib.btf__load_vmlinux_btf()
    try:
        yield btf
    finally:
        lib.btf__free(btf)


def _name(btf: int, offset: int) -> str:
    name: bytes = lib.btf__name_by_offset(btf, offset)
    return name.decode()


def functions(names: Iterable[str]) -> list[str]:
    """Return the names that the kernel's BTF has. Programs cannot call other kfuncs."""
    with _of_kernel() as btf:
        if not btf:
            return []
        return [name for name in names if lib.btf__find_by_name_kind(btf, name.encode(), KIND_FUNC) > 0]


def prog_types() -> dict[str, int]:
    """Return the number of each program type in the kernel's BTF, by its name without BPF_PROG_TYPE_."""
    prefix = "BPF_PROG_TYPE_"
    with _of_kernel() as btf:
        number = lib.btf__find_by_name_kind(btf, b"bpf_prog_type", KIND_ENUM) if btf else 0
        if not btf or number <= 0:
            return {}
        address = lib.btf__type_by_id(btf, number)
        entries = (_Enum * _Type.from_address(address).count).from_address(address + ct.sizeof(_Type))
        names = {_name(btf, entry.name_off): entry.val for entry in entries}
    return {
        name.removeprefix(prefix): value for name, value in names.items() if name.startswith(prefix) and value
    }


@dataclass(frozen=True)
class Struct:
    """A structure of the kernel.

    Attributes:
        id: type ID in the kernel's BTF.
        size: in bytes.
        members: offset of each member in bytes, by its name, in order.
    """

    id: int
    size: int
    members: dict[str, int]

    def index(self, member: str) -> int:
        """Return the index of a member."""
        return list(self.members).index(member)


@cache
def struct(name: str) -> Struct | None:
    """Return a structure of the kernel, or None if its BTF does not have it."""
    with _of_kernel() as btf:
        number = lib.btf__find_by_name_kind(btf, name.encode(), KIND_STRUCT) if btf else 0
        if not btf or number <= 0:
            return None
        address = lib.btf__type_by_id(btf, number)
        found = _Type.from_address(address)
        members = (_Member * found.count).from_address(address + ct.sizeof(_Type))
        offsets = {_name(btf, each.name_off): (each.offset & 0xFFFFFF) // 8 for each in members}
        return Struct(number, found.size_or_type, offsets)


def _add_prototype(btf: int, context: str) -> int:
    """Add `int function(struct CONTEXT *ctx)` and return its type ID."""
    result = lib.btf__add_int(btf, b"int", 4, SIGNED)
    pointer = lib.btf__add_ptr(btf, lib.btf__add_struct(btf, context.encode(), POINTER_BYTES))
    prototype: int = lib.btf__add_func_proto(btf, result)
    if lib.btf__add_func_param(btf, b"ctx", pointer) < 0:
        raise OSError(ct.get_errno(), f"adding a prototype to BTF: {os.strerror(ct.get_errno())}")
    return prototype


def retype(btf: int, function: str, context: str) -> None:
    """Change the argument of a function, in the BTF of an open object, to `struct CONTEXT *`."""
    prototype = _add_prototype(btf, context)
    number = lib.btf__find_by_name_kind(btf, function.encode(), KIND_FUNC)
    _Type.from_address(lib.btf__type_by_id(btf, number)).size_or_type = prototype


@dataclass(frozen=True)
class LoadedFunction:
    """BTF of one function in the kernel.

    Attributes:
        fd: descriptor of the BTF.
        id: type ID of the function.
    """

    fd: int
    id: int


@cache
def global_function(name: str, context: str) -> LoadedFunction:
    """Load BTF of one global function that takes `struct CONTEXT *`. It stays loaded.

    EXT needs it for both the replaced function and the replacement: functions compiled by BCC are static.
    """
    btf = lib.btf__new_empty()
    number = lib.btf__add_func(btf, name.encode(), GLOBAL, _add_prototype(btf, context))
    error = lib.btf__load_into_kernel(btf)
    if error < 0:
        raise OSError(-error, f"loading BTF of {name}: {os.strerror(-error)}")
    return LoadedFunction(lib.btf__fd(btf), number)
