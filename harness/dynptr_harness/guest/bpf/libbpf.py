"""Typed bindings for functions that BCC's Python API lacks.

BCC has already loaded libbcc, which depends on libbpf. The symbols of both are available through its handle.
"""

from __future__ import annotations

import ctypes as ct
import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass
from errno import ENOSPC, EPERM
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from bcc import BPF
from bcc.libbcc import bpf_test_run_opts, lib

from dynptr_harness.guest.bpf.verifier_log import (
    ALWAYS,
    LARGE_SIZE,
    ON_FAILURE,
    SIZE,
    STATISTICS,
    VerifierLog,
)
from dynptr_harness.protocol.uapi import (
    BPF_F_MMAPABLE,
    BPF_F_RB_OVERWRITE,
    AttachType,
    BpfProgType,
    MapType,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dynptr_harness.guest.bpf import btf

Structure = TypeVar("Structure", ct.Structure, ct.Union)

STANDARD_ERROR = 2
# r0 = 0; exit (Documentation/bpf/standardization/instruction-set.rst)
NOTHING = bytes.fromhex("b700000000000000 9500000000000000")


class ProgLoadOpts(ct.Structure):
    """struct bpf_prog_load_opts (libbpf 1.0 and later). libbpf reads only the first `sz` bytes."""

    _fields_ = (
        ("sz", ct.c_size_t),
        ("attempts", ct.c_int),
        ("expected_attach_type", ct.c_uint),
        ("prog_btf_fd", ct.c_uint32),
        ("prog_flags", ct.c_uint32),
        ("prog_ifindex", ct.c_uint32),
        ("kern_version", ct.c_uint32),
        ("attach_btf_id", ct.c_uint32),
        ("attach_prog_fd", ct.c_uint32),
        ("attach_btf_obj_fd", ct.c_uint32),
        ("fd_array", ct.c_void_p),
        ("func_info", ct.c_void_p),
        ("func_info_cnt", ct.c_uint32),
        ("func_info_rec_size", ct.c_uint32),
        ("line_info", ct.c_void_p),
        ("line_info_cnt", ct.c_uint32),
        ("line_info_rec_size", ct.c_uint32),
        ("log_level", ct.c_uint32),
        ("log_size", ct.c_uint32),
        ("log_buf", ct.c_char_p),
    )


# Load options without which the kernel rejects every program of these types, known or not.
FOR_BTF: dict[BpfProgType, dict[str, Any]] = {
    BpfProgType.TRACING: {"attach_btf_id": 1, "expected_attach_type": AttachType.TRACE_FENTRY},
    BpfProgType.LSM: {"attach_btf_id": 1, "expected_attach_type": AttachType.LSM_MAC},
    BpfProgType.EXT: {"attach_btf_id": 1},
    BpfProgType.STRUCT_OPS: {"attach_btf_id": 1},
}

lib.bpf_prog_load.restype = ct.c_int
lib.bpf_prog_load.argtypes = [
    ct.c_int,
    ct.c_char_p,
    ct.c_char_p,
    ct.c_char_p,
    ct.c_size_t,
    ct.POINTER(ProgLoadOpts),
]
lib.bpf_obj_get_info_by_fd.restype = ct.c_int
lib.bpf_obj_get_info_by_fd.argtypes = [ct.c_int, ct.c_void_p, ct.POINTER(ct.c_uint32)]
lib.bpf_map_create.restype = ct.c_int
lib.bpf_map_create.argtypes = [
    ct.c_int,
    ct.c_char_p,
    ct.c_uint32,
    ct.c_uint32,
    ct.c_uint32,
    ct.c_void_p,
]
lib.libbpf_find_vmlinux_btf_id.restype = ct.c_int
lib.libbpf_find_vmlinux_btf_id.argtypes = [ct.c_char_p, ct.c_int]
lib.bpf_table_name.restype = ct.c_char_p
lib.bpf_table_name.argtypes = [ct.c_void_p, ct.c_size_t]
lib.bpf_num_tables.restype = ct.c_size_t
lib.bpf_num_tables.argtypes = [ct.c_void_p]
lib.bpf_table_fd_id.restype = ct.c_int
lib.bpf_table_fd_id.argtypes = [ct.c_void_p, ct.c_size_t]
lib.libbpf_probe_bpf_helper.restype = ct.c_int
lib.libbpf_probe_bpf_helper.argtypes = [ct.c_int, ct.c_int, ct.c_void_p]
lib.libbpf_probe_bpf_prog_type.restype = ct.c_int
lib.libbpf_probe_bpf_prog_type.argtypes = [ct.c_int, ct.c_void_p]
lib.bpf_link_create.restype = ct.c_int
lib.bpf_link_create.argtypes = [ct.c_int, ct.c_int, ct.c_int, ct.c_void_p]
lib.libbpf_version_string.restype = ct.c_char_p
lib.libbpf_version_string.argtypes = []


def libbpf_version() -> str:
    """Return the version of libbpf, such as '1.5'."""
    version: bytes = lib.libbpf_version_string()
    return version.decode().removeprefix("v")


class LoadRefused(OSError):
    """libbpf or the kernel rejected a program.

    Attributes:
        errno: errno of the load.
        log: verifier log; '' if the verifier did not run.
        messages: lines that libbpf printed.
    """

    def __init__(self, errno: int, log: str, messages: Sequence[str] = ()) -> None:
        super().__init__(errno, os.strerror(errno))
        self.log = log
        self.messages = messages

    @property
    def log_or_messages(self) -> str:
        """The verifier log, or libbpf's messages if the verifier did not run."""
        return self.log or "\n".join(self.messages)


@dataclass
class LoadedProgram:
    """A loaded program."""

    name: str
    fd: int

    @property
    def function(self) -> BPF.Function:
        """The program as an object of BCC's Python API."""
        return BPF.Function(None, self.name.encode(), self.fd)

    def close(self) -> None:
        """Close the program. Its links keep it attached."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@cache
def _first_log() -> VerifierLog:
    """Return the buffer that all loads share. A new one would take longer to clear than most loads take."""
    return VerifierLog(SIZE)


def with_log(load: Callable[[VerifierLog, int], int]) -> int:
    """Call `load` with a buffer for the log and a log level, and return the file descriptor.

    If the log does not fit, repeat the load to get the end of the log and the real errno.

    Args:
        load: returns a file descriptor or a negative errno.

    Raises:
        LoadRefused: the load failed. Its errno is never the ENOSPC of a log that does not fit.
    """
    log = _first_log()
    log.clear()
    result = load(log, ON_FAILURE)
    if result == -ENOSPC and log.is_full and not log.has_end:
        log = VerifierLog(LARGE_SIZE)
        result = load(log, ALWAYS)
    if result == -ENOSPC and log.is_full:
        result = load(VerifierLog(SIZE), STATISTICS)
    if result < 0:
        raise LoadRefused(-result, log.text)
    return result


def _errno_of(result: int) -> int:
    """Return the file descriptor or the negative errno of a call. The call may return -1 and set errno."""
    return result if result >= 0 else -(ct.get_errno() or -result)


@contextmanager
def _discard_standard_error() -> Iterator[None]:
    """Discard what libraries write to standard error, within this context.

    BCC writes the verifier log there, which the caller already has. For the whole catalogue, this is half a
    MB through an emulated serial port.
    """
    kept = os.dup(STANDARD_ERROR)
    try:
        os.dup2(_dev_null(), STANDARD_ERROR)
        yield
    finally:
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)


@cache
def _dev_null() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def load_by_bcc(
    module: BPF, function: str, prog_type: BpfProgType, *, attach_type: int = -1
) -> LoadedProgram:
    """Load a function of a compiled module with BCC's loader.

    BCC's Python function `load_func` drops the verifier log, so this calls the C function below it.

    Raises:
        LoadRefused: the kernel rejected the program.
    """
    name = function.encode()

    def load(log: VerifierLog, level: int) -> int:
        with _discard_standard_error():
            fd = lib.bcc_func_load(
                module.module,
                prog_type,
                name,
                lib.bpf_function_start(module.module, name),
                lib.bpf_function_size(module.module, name),
                lib.bpf_module_license(module.module),
                lib.bpf_module_kern_version(module.module),
                level,
                log.pointer,
                log.size,
                None,
                attach_type,
            )
            return _errno_of(fd)

    return LoadedProgram(function, with_log(load))


def load_by_libbpf(
    module: BPF,
    function: str,
    prog_type: BpfProgType,
    *,
    flags: int = 0,
    attach_type: int | None = None,
    btf_target: str | None = None,
    **more: Any,
) -> LoadedProgram:
    """Load a function of a compiled module with options that BCC's loader cannot pass.

    Args:
        flags: BPF_F_* of the program.
        attach_type: expected attach type; needed with `btf_target`.
        btf_target: kernel function or LSM hook of a TRACING or LSM program. BCC would take it from the name
            of the function, and would load and attach the program during compilation.
        more: other fields of struct bpf_prog_load_opts.

    Raises:
        LoadRefused: the kernel rejected the program, or lacks the target.
    """
    code: bytes = module.dump_func(function.encode())
    if btf_target:
        more["attach_btf_id"] = btf_id(btf_target, attach_type or 0)
    return load_code(
        function,
        code,
        prog_type,
        license_=lib.bpf_module_license(module.module),
        prog_flags=flags,
        expected_attach_type=attach_type or 0,
        **more,
    )


def load_code(
    name: str, code: bytes, prog_type: BpfProgType, *, license_: bytes = b"Dual MIT/GPL", **options: Any
) -> LoadedProgram:
    """Load instructions.

    Args:
        options: fields of struct bpf_prog_load_opts.

    Raises:
        LoadRefused: the kernel rejected the program.
    """

    def load(log: VerifierLog, level: int) -> int:
        opts = ProgLoadOpts(
            sz=ct.sizeof(ProgLoadOpts), log_level=level, log_size=log.size, log_buf=log.pointer, **options
        )
        return _errno_of(
            lib.bpf_prog_load(prog_type, name.encode()[:15], license_, code, len(code) // 8, ct.byref(opts))
        )

    return LoadedProgram(name, with_log(load))


def maps_of(module: BPF) -> dict[str, int]:
    """Return the file descriptors of a module's maps by name, also of map types that BCC's API lacks."""
    library, count = module.module, lib.bpf_num_tables(module.module)
    return {lib.bpf_table_name(library, i).decode(): lib.bpf_table_fd_id(library, i) for i in range(count)}


@cache
def btf_id(target: str, attach_type: int) -> int:
    """Return the ID of a kernel function or LSM hook in the kernel's BTF, which takes 0.1 s to parse."""
    found: int = lib.libbpf_find_vmlinux_btf_id(target.encode(), attach_type)
    if found < 0:
        raise LoadRefused(-found, "", (f"{target} is not in the kernel's BTF",))
    return found


def has_helper(prog_type: BpfProgType, helper: int) -> bool:
    """Return True if programs of this type can call a helper. libbpf loads a program that calls it."""
    found: int = lib.libbpf_probe_bpf_helper(prog_type, helper, None)
    if found < 0:
        raise OSError(-found, f"probing helper {helper}: {os.strerror(-found)}")
    return found == 1


@cache
def refused_prog_types() -> frozenset[str]:
    """Return the program types that the kernel lacks. It rejects every program of them.

    Types that libbpf cannot probe, and types that the kernel forbids with EPERM, are not included: the kernel
    may have them.
    """
    refused = (each for each in BpfProgType if lib.libbpf_probe_bpf_prog_type(each, None) == 0)
    return frozenset(each.name for each in refused if not _forbidden(each))


def _forbidden(prog_type: BpfProgType) -> bool:
    """Return True if an empty program is rejected with EPERM. EINVAL means that the type is missing."""
    try:
        load_code("nothing", NOTHING, prog_type, **FOR_BTF.get(prog_type, {})).close()
    except LoadRefused as refused:
        return refused.errno == EPERM
    return False


class LinkCreateOpts(ct.Structure):
    """First fields of struct bpf_link_create_opts. Later fields depend on the attach type."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = (
        ("sz", ct.c_size_t),
        ("flags", ct.c_uint32),
        ("iter_info", ct.c_void_p),
        ("iter_info_len", ct.c_uint32),
        ("target_btf_id", ct.c_uint32),
    )


def link_create(fd: int, target: int, attach_type: AttachType, options: LinkCreateOpts | None = None) -> int:
    """Attach the program `fd` to `target`. Return the file descriptor of the link, or a negative number."""
    if options:
        options.sz = ct.sizeof(options)
    link: int = lib.bpf_link_create(fd, target, attach_type, ct.byref(options) if options else None)
    return link


def prog_run(
    fd: int, data: bytes = b"", context: ct.Structure | ct.Array[ct.c_char] | None = None
) -> tuple[int, int]:
    """Run a program once with BPF_PROG_RUN.

    Args:
        data: the packet, if any.
        context: the context, if any. The kernel copies it back after the run.

    Returns:
        0 or the negative errno of the call, and the return value of the program.
    """
    options = bpf_test_run_opts(sz=ct.sizeof(bpf_test_run_opts))
    if data:
        packet = ct.create_string_buffer(data, len(data))
        options.data_in = ct.cast(packet, ct.c_void_p)
        options.data_size_in = len(data)
    if context is not None:
        options.ctx_in = ct.addressof(context)
        options.ctx_size_in = ct.sizeof(context)
    result: int = lib.bpf_prog_test_run_opts(fd, ct.byref(options))
    return result, options.retval


class _MapCreateOpts(ct.Structure):
    """First fields of struct bpf_map_create_opts (libbpf 1.0 and later)."""

    _fields_ = (
        ("sz", ct.c_size_t),
        ("btf_fd", ct.c_uint32),
        ("btf_key_type_id", ct.c_uint32),
        ("btf_value_type_id", ct.c_uint32),
        ("btf_vmlinux_value_type_id", ct.c_uint32),
        ("inner_map_fd", ct.c_uint32),
        ("map_flags", ct.c_uint32),
    )


def mapped_array(value_size: int) -> int:
    """Create an array of one value that can be mapped into memory. Return its file descriptor."""
    options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), map_flags=BPF_F_MMAPABLE)
    fd: int = lib.bpf_map_create(MapType.ARRAY, b"mapped", 4, value_size, 1, ct.byref(options))
    _map_call("create a mappable array", fd)
    return fd


def in_memory(map_fd: int, structure: type[Structure]) -> Structure:
    """Map the structure in an array of one value. Child processes share it."""
    return structure.from_buffer(mmap.mmap(map_fd, ct.sizeof(structure)))


def struct_ops_map(value: btf.Struct, btf_fd: int) -> int:
    """Create a struct_ops map. Return its file descriptor.

    Args:
        value: BTF of the structure that wraps the functions.
        btf_fd: any loaded BTF. The kernel requires one and does not read it.
    """
    options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), btf_fd=btf_fd, btf_vmlinux_value_type_id=value.id)
    fd: int = lib.bpf_map_create(MapType.STRUCT_OPS, b"ops", 4, value.size, 1, ct.byref(options))
    _map_call("create a struct_ops map", fd)
    return fd


class RingRefused(OSError):
    """The kernel did not create a ring buffer."""


def new_ring(size: int, flags: int = 0) -> int:
    """Create a ring buffer of `size` bytes. Return its file descriptor, which the caller closes.

    Raises:
        RingRefused: the kernel rejected the size or the flags.
    """
    options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), map_flags=flags)
    fd: int = lib.bpf_map_create(MapType.RINGBUF, b"ring", 0, 0, size, ct.byref(options))
    if fd < 0:
        raise RingRefused(last_errno(), f"create a ring buffer of {size} bytes: {os.strerror(last_errno())}")
    return fd


@contextmanager
def ring(size: int, flags: int = 0) -> Iterator[int]:
    """Create a ring buffer within this context and yield its descriptor. Raises the errors of `new_ring`."""
    fd = new_ring(size, flags)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def empty_prog_array() -> Iterator[int]:
    """An array for tail calls without a program; its descriptor, open within this context."""
    options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts))
    fd: int = lib.bpf_map_create(MapType.PROG_ARRAY, b"tail_calls", 4, 4, 1, ct.byref(options))
    _map_call("making an array of programs", fd)
    try:
        yield fd
    finally:
        os.close(fd)


def array_of_rings(flags: int) -> int:
    """Create an array of maps with one slot for a ring buffer with these flags. Return its file descriptor.

    Raises:
        RingRefused: the kernel rejected the flags.
    """
    with ring(os.sysconf("SC_PAGE_SIZE"), flags) as inner:
        options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), inner_map_fd=inner)
        fd: int = lib.bpf_map_create(MapType.ARRAY_OF_MAPS, b"rings", 4, 4, 1, ct.byref(options))
    _map_call("create an array of ring buffers", fd)
    return fd


def overwriting_rings() -> bool:
    """Return True if the kernel has ring buffers that overwrite their oldest records."""
    try:
        with ring(os.sysconf("SC_PAGE_SIZE"), BPF_F_RB_OVERWRITE):
            return True
    except RingRefused:
        return False


def last_errno() -> int:
    """Return errno of the last failed call into the library."""
    return ct.get_errno()


class MapInfo(ct.Structure):
    """First fields of struct bpf_map_info. The kernel fills no others."""

    _fields_ = (
        ("type", ct.c_uint32),
        ("id", ct.c_uint32),
        ("key_size", ct.c_uint32),
        ("value_size", ct.c_uint32),
        ("max_entries", ct.c_uint32),
        ("map_flags", ct.c_uint32),
        ("name", ct.c_char * 16),
    )


def map_info(map_fd: int) -> MapInfo:
    info, size = MapInfo(), ct.c_uint32(ct.sizeof(MapInfo))
    _map_call("map info", lib.bpf_obj_get_info_by_fd(map_fd, ct.byref(info), ct.byref(size)))
    return info


class _ProgInfo(ct.Structure):
    """First fields of struct bpf_prog_info."""

    _fields_ = (
        ("type", ct.c_uint32),
        ("id", ct.c_uint32),
        ("tag", ct.c_uint8 * 8),
        ("jited_prog_len", ct.c_uint32),
        ("xlated_prog_len", ct.c_uint32),
        ("jited_prog_insns", ct.c_uint64),
        ("xlated_prog_insns", ct.c_uint64),
        ("load_time", ct.c_uint64),
        ("created_by_uid", ct.c_uint32),
        ("nr_map_ids", ct.c_uint32),
        ("map_ids", ct.c_uint64),
        ("name", ct.c_char * 16),
        ("ifindex", ct.c_uint32),
        ("gpl_compatible", ct.c_uint32, 1),
    )


def gpl_compatible(prog_fd: int) -> bool:
    """Return True if the licence of a loaded program lets it call GPL-only functions."""
    info = _ProgInfo()
    size = ct.c_uint32(ct.sizeof(info))
    _map_call("program info", lib.bpf_obj_get_info_by_fd(prog_fd, ct.byref(info), ct.byref(size)))
    return bool(info.gpl_compatible)


def rings_of(program: LoadedProgram) -> dict[str, int]:
    """Return the ring buffers that a loaded program uses: name to descriptor, which the caller closes."""
    rings = maps_used_by(program)
    for name, fd in list(rings.items()):
        if map_info(fd).type != MapType.RINGBUF:
            os.close(rings.pop(name))
    return rings


def maps_used_by(program: LoadedProgram) -> dict[str, int]:
    """Return the maps that a loaded program uses: name to descriptor, which the caller closes."""
    ids = (ct.c_uint32 * 64)()
    info = _ProgInfo(nr_map_ids=len(ids), map_ids=ct.addressof(ids))
    size = ct.c_uint32(ct.sizeof(info))
    _map_call("program info", lib.bpf_obj_get_info_by_fd(program.fd, ct.byref(info), ct.byref(size)))
    maps = {}
    for number in ids[: info.nr_map_ids]:
        fd = lib.bpf_map_get_fd_by_id(number)
        _map_call("opening a map", fd)
        maps[map_info(fd).name.decode()] = fd
    return maps


def _map_call(what: str, result: int) -> None:
    if result < 0:
        raise OSError(last_errno(), f"{what}: {os.strerror(last_errno())}")


def map_write(map_fd: int, key: int, value: ct.Structure | ct.Array[ct.c_char]) -> None:
    """Store `value` under `key` of an array."""
    _map_call("map update", lib.bpf_update_elem(map_fd, ct.byref(ct.c_uint32(key)), ct.byref(value), 0))


def map_write_fd(map_fd: int, key: int, fd: int) -> None:
    """Store a file descriptor under `key` of a map of sockets, programs or maps."""
    value = ct.c_uint32(fd)
    _map_call("map update", lib.bpf_update_elem(map_fd, ct.byref(ct.c_uint32(key)), ct.byref(value), 0))


def map_delete(map_fd: int, key: int) -> None:
    _map_call("map delete", lib.bpf_delete_elem(map_fd, ct.byref(ct.c_uint32(key))))
