"""Typed bindings for what BCC's Python API lacks, through the library that BCC has loaded already.

libbcc carries libbpf as a dependency, so that the symbols of both are reached through one handle and
the program, the maps and the link all live in the same libraries.
"""

from __future__ import annotations

import ctypes as ct
import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dynptr_harness.guest.bpf import btf

Structure = TypeVar("Structure", ct.Structure, ct.Union)

BPF_F_SLEEPABLE = 1 << 4
BPF_F_RB_OVERWRITE = 1 << 19
BPF_F_MMAPABLE = 1 << 10
MAP_TYPE_ARRAY = 2
MAP_TYPE_ARRAY_OF_MAPS = 12
MAP_TYPE_STRUCT_OPS = 26
MAP_TYPE_RINGBUF = 27
STANDARD_ERROR = 2
# r0 = 0; exit (Documentation/bpf/standardization/instruction-set.rst)
NOTHING = bytes.fromhex("b700000000000000 9500000000000000")


class ProgType(IntEnum):
    """enum bpf_prog_type of include/uapi/linux/bpf.h."""

    SOCKET_FILTER = 1
    KPROBE = 2
    SCHED_CLS = 3
    SCHED_ACT = 4
    TRACEPOINT = 5
    XDP = 6
    PERF_EVENT = 7
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    LWT_IN = 10
    LWT_OUT = 11
    LWT_XMIT = 12
    SOCK_OPS = 13
    SK_SKB = 14
    CGROUP_DEVICE = 15
    SK_MSG = 16
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18
    LWT_SEG6LOCAL = 19
    LIRC_MODE2 = 20
    SK_REUSEPORT = 21
    FLOW_DISSECTOR = 22
    CGROUP_SYSCTL = 23
    RAW_TRACEPOINT_WRITABLE = 24
    CGROUP_SOCKOPT = 25
    TRACING = 26
    STRUCT_OPS = 27
    EXT = 28
    LSM = 29
    SK_LOOKUP = 30
    SYSCALL = 31
    NETFILTER = 32


class AttachType(IntEnum):
    """enum bpf_attach_type of include/uapi/linux/bpf.h."""

    CGROUP_INET_INGRESS = 0
    CGROUP_INET_EGRESS = 1
    CGROUP_INET_SOCK_CREATE = 2
    CGROUP_SOCK_OPS = 3
    SK_SKB_STREAM_VERDICT = 5
    CGROUP_DEVICE = 6
    SK_MSG_VERDICT = 7
    CGROUP_INET4_BIND = 8
    CGROUP_INET6_BIND = 9
    CGROUP_INET4_CONNECT = 10
    CGROUP_INET6_CONNECT = 11
    CGROUP_INET4_POST_BIND = 12
    CGROUP_INET6_POST_BIND = 13
    CGROUP_UDP4_SENDMSG = 14
    CGROUP_UDP6_SENDMSG = 15
    LIRC_MODE2 = 16
    FLOW_DISSECTOR = 17
    CGROUP_SYSCTL = 18
    CGROUP_UDP4_RECVMSG = 19
    CGROUP_UDP6_RECVMSG = 20
    CGROUP_GETSOCKOPT = 21
    CGROUP_SETSOCKOPT = 22
    TRACE_RAW_TP = 23
    TRACE_FENTRY = 24
    TRACE_FEXIT = 25
    MODIFY_RETURN = 26
    LSM_MAC = 27
    TRACE_ITER = 28
    CGROUP_INET4_GETPEERNAME = 29
    CGROUP_INET6_GETPEERNAME = 30
    CGROUP_INET4_GETSOCKNAME = 31
    CGROUP_INET6_GETSOCKNAME = 32
    CGROUP_INET_SOCK_RELEASE = 34
    SK_LOOKUP = 36
    XDP = 37
    SK_SKB_VERDICT = 38
    TRACE_KPROBE_MULTI = 42
    LSM_CGROUP = 43
    NETFILTER = 45
    TCX_EGRESS = 47
    CGROUP_UNIX_CONNECT = 49
    CGROUP_UNIX_SENDMSG = 50
    CGROUP_UNIX_RECVMSG = 51
    CGROUP_UNIX_GETPEERNAME = 52
    CGROUP_UNIX_GETSOCKNAME = 53


class ProgLoadOpts(ct.Structure):
    """struct bpf_prog_load_opts (libbpf 1.0 and later); `sz` tells libbpf how much of it we know."""

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


# What a program of some types has to name, for the kernel to look any further: something of its BTF.
FOR_BTF: dict[ProgType, dict[str, Any]] = {
    ProgType.TRACING: {"attach_btf_id": 1, "expected_attach_type": AttachType.TRACE_FENTRY},
    ProgType.LSM: {"attach_btf_id": 1, "expected_attach_type": AttachType.LSM_MAC},
    ProgType.EXT: {"attach_btf_id": 1},
    ProgType.STRUCT_OPS: {"attach_btf_id": 1},
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
    """Version of the libbpf that is in use, e.g. '1.5'."""
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
    def words(self) -> str:
        """The verifier log, or the messages of libbpf if the verifier did not run."""
        return self.log or "\n".join(self.messages)


@dataclass
class Program:
    """A loaded program: what BCC's attach functions and ours need of it."""

    name: str
    fd: int

    @property
    def function(self) -> BPF.Function:
        """The program as BCC's Python API knows it."""
        return BPF.Function(None, self.name.encode(), self.fd)

    def close(self) -> None:
        """Let go of the program; what is attached through a link of its own stays attached."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@cache
def _first_log() -> VerifierLog:
    """Return the buffer that all loads share. To clear a new one takes longer than most loads."""
    return VerifierLog(SIZE)


def with_log(load: Callable[[VerifierLog, int], int]) -> int:
    """Call `load` with a buffer for the log and a log level, and return its descriptor.

    A load whose log does not fit is repeated: for the end of the log, and for the errno of the program.

    Args:
        load: returns a descriptor or a negative errno.

    Raises:
        LoadRefused: the load failed. errno is that of the load even if no buffer has room for the log.
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
    """Return a descriptor, or the negative errno of a call that returned -1 or a negative errno."""
    return result if result >= 0 else -(ct.get_errno() or -result)


@contextmanager
def _unsaid() -> Iterator[None]:
    """Within this context what libraries write to standard error is lost.

    BCC writes the log of a refused program there, which we have already: half a MB for the whole catalogue,
    character by character through an emulated serial port.
    """
    kept = os.dup(STANDARD_ERROR)
    try:
        os.dup2(_nowhere(), STANDARD_ERROR)
        yield
    finally:
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)


@cache
def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def load_by_bcc(module: BPF, function: str, prog_type: ProgType, *, attach_type: int = -1) -> Program:
    """Load a function of a compiled module, through BCC's own loader.

    BCC's `load_func` throws the verifier's log away; called below its Python layer, the loader keeps it.

    Raises:
        LoadRefused: the kernel did not take the program.
    """
    name = function.encode()

    def load(log: VerifierLog, level: int) -> int:
        with _unsaid():
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

    return Program(function, with_log(load))


def load_by_libbpf(
    module: BPF,
    function: str,
    prog_type: ProgType,
    *,
    flags: int = 0,
    attach_type: int | None = None,
    btf_target: str | None = None,
    **more: Any,
) -> Program:
    """Load a function of a compiled module with what BCC's loader cannot pass.

    Args:
        flags: BPF_F_* of the program; BCC passes none.
        attach_type: expected attach type, needed with `btf_target`.
        btf_target: the kernel function or LSM hook that a TRACING or LSM program is for. BCC takes it
            from the function's name, and then loads and attaches when the module is compiled.
        more: other fields of struct bpf_prog_load_opts.

    Raises:
        LoadRefused: the kernel did not take the program, or does not have the target.
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
    name: str, code: bytes, prog_type: ProgType, *, license_: bytes = b"Dual MIT/GPL", **options: Any
) -> Program:
    """Load instructions.

    Args:
        options: fields of struct bpf_prog_load_opts.

    Raises:
        LoadRefused: the kernel did not take the program.
    """

    def load(log: VerifierLog, level: int) -> int:
        opts = ProgLoadOpts(
            sz=ct.sizeof(ProgLoadOpts), log_level=level, log_size=log.size, log_buf=log.pointer, **options
        )
        return _errno_of(
            lib.bpf_prog_load(prog_type, name.encode()[:15], license_, code, len(code) // 8, ct.byref(opts))
        )

    return Program(name, with_log(load))


def maps_of(module: BPF) -> dict[str, int]:
    """The maps of a compiled module: their descriptors by name, also of types that BCC's API lacks."""
    library, count = module.module, lib.bpf_num_tables(module.module)
    return {lib.bpf_table_name(library, i).decode(): lib.bpf_table_fd_id(library, i) for i in range(count)}


@cache
def btf_id(target: str, attach_type: int) -> int:
    """The id of a kernel function or LSM hook in the kernel's BTF; parsing that takes a tenth of a second."""
    found: int = lib.libbpf_find_vmlinux_btf_id(target.encode(), attach_type)
    if found < 0:
        raise LoadRefused(-found, "", (f"{target} is not in the kernel's BTF",))
    return found


def has_helper(prog_type: ProgType, helper: int) -> bool:
    """Whether the kernel lets programs of this type call a helper, found out by loading one that does."""
    found: int = lib.libbpf_probe_bpf_helper(prog_type, helper, None)
    if found < 0:
        raise OSError(-found, f"probing helper {helper}: {os.strerror(-found)}")
    return found == 1


@cache
def refused_prog_types() -> frozenset[str]:
    """The program types of which the kernel refuses every program, even one that does nothing.

    It does not know them, or is built without them. A type that libbpf cannot try is not among them, nor is
    one that somebody forbids: what the kernel would say to it nobody knows then.
    """
    refused = (each for each in ProgType if lib.libbpf_probe_bpf_prog_type(each, None) == 0)
    return frozenset(each.name for each in refused if not _forbidden(each))


def _forbidden(prog_type: ProgType) -> bool:
    """Whether a program that does nothing is refused with EPERM: EINVAL is for a type that is not there."""
    try:
        load_code("nothing", NOTHING, prog_type, **FOR_BTF.get(prog_type, {})).close()
    except LoadRefused as refused:
        return refused.errno == EPERM
    return False


class LinkCreateOpts(ct.Structure):
    """The beginning of struct bpf_link_create_opts; what comes then depends on the attach type."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = (
        ("sz", ct.c_size_t),
        ("flags", ct.c_uint32),
        ("iter_info", ct.c_void_p),
        ("iter_info_len", ct.c_uint32),
        ("target_btf_id", ct.c_uint32),
    )


def link_create(fd: int, target: int, attach_type: AttachType, options: LinkCreateOpts | None = None) -> int:
    """A link that attaches the program `fd` to `target`: its descriptor, or a negative number."""
    if options:
        options.sz = ct.sizeof(options)
    link: int = lib.bpf_link_create(fd, target, attach_type, ct.byref(options) if options else None)
    return link


def prog_run(fd: int, data: bytes = b"") -> tuple[int, int]:
    """BPF_PROG_RUN once: (0 or negative errno of the call, return value of the program)."""
    options = bpf_test_run_opts(sz=ct.sizeof(bpf_test_run_opts))
    if data:
        packet = ct.create_string_buffer(data, len(data))
        options.data_in = ct.cast(packet, ct.c_void_p)
        options.data_size_in = len(data)
    result: int = lib.bpf_prog_test_run_opts(fd, ct.byref(options))
    return result, options.retval


class _MapCreateOpts(ct.Structure):
    """The first fields of struct bpf_map_create_opts (libbpf 1.0 and later)."""

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
    """An array of one value that can be mapped into memory; its descriptor."""
    options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), map_flags=BPF_F_MMAPABLE)
    fd: int = lib.bpf_map_create(MAP_TYPE_ARRAY, b"mapped", 4, value_size, 1, ct.byref(options))
    _map_call("making an array that can be mapped", fd)
    return fd


def in_memory(map_fd: int, structure: type[Structure]) -> Structure:
    """The one structure that a mapped array has, where a program finds it; shared with child processes."""
    return structure.from_buffer(mmap.mmap(map_fd, ct.sizeof(structure)))


def struct_ops_map(value: btf.Struct, btf_fd: int) -> int:
    """A map of one structure of functions for the kernel, wrapped in `value`; its descriptor.

    Args:
        btf_fd: BTF that somebody has loaded. The kernel demands some, and does not look what is in it.
    """
    options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), btf_fd=btf_fd, btf_vmlinux_value_type_id=value.id)
    fd: int = lib.bpf_map_create(MAP_TYPE_STRUCT_OPS, b"ops", 4, value.size, 1, ct.byref(options))
    _map_call("making a map of kernel functions", fd)
    return fd


class RingRefused(OSError):
    """The kernel did not make a ring."""


def new_ring(size: int, flags: int = 0) -> int:
    """A ring buffer of `size` bytes; its descriptor, to be closed.

    Raises:
        RingRefused: the kernel has no such ring.
    """
    options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), map_flags=flags)
    fd: int = lib.bpf_map_create(MAP_TYPE_RINGBUF, b"ring", 0, 0, size, ct.byref(options))
    if fd < 0:
        raise RingRefused(last_errno(), f"making a ring of {size} bytes: {os.strerror(last_errno())}")
    return fd


@contextmanager
def ring(size: int, flags: int = 0) -> Iterator[int]:
    """The same, open within this context. Raises as `new_ring`."""
    fd = new_ring(size, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def array_of_rings(flags: int) -> int:
    """A map of one ring that has these flags; its descriptor.

    Raises:
        RingRefused: the kernel has no such ring.
    """
    with ring(os.sysconf("SC_PAGE_SIZE"), flags) as inner:
        options = _MapCreateOpts(sz=ct.sizeof(_MapCreateOpts), inner_map_fd=inner)
        fd: int = lib.bpf_map_create(MAP_TYPE_ARRAY_OF_MAPS, b"rings", 4, 4, 1, ct.byref(options))
    _map_call("making a map of rings", fd)
    return fd


def overwriting_rings() -> bool:
    """Whether the kernel makes rings that overwrite their oldest records."""
    try:
        with ring(os.sysconf("SC_PAGE_SIZE"), BPF_F_RB_OVERWRITE):
            return True
    except RingRefused:
        return False


def last_errno() -> int:
    """What the last failing call into the library left in errno."""
    return ct.get_errno()


class MapInfo(ct.Structure):
    """The first fields of struct bpf_map_info; the kernel fills as many as it is given room for."""

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
    """What the kernel says of a map."""
    info, size = MapInfo(), ct.c_uint32(ct.sizeof(MapInfo))
    _map_call("map info", lib.bpf_obj_get_info_by_fd(map_fd, ct.byref(info), ct.byref(size)))
    return info


class _ProgInfo(ct.Structure):
    """The first fields of struct bpf_prog_info."""

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
    """Whether a program was loaded under a licence that lets it call what is for the GPL only."""
    info = _ProgInfo()
    size = ct.c_uint32(ct.sizeof(info))
    _map_call("program info", lib.bpf_obj_get_info_by_fd(prog_fd, ct.byref(info), ct.byref(size)))
    return bool(info.gpl_compatible)


def rings_of(program: Program) -> dict[str, int]:
    """The ring buffers that a loaded program uses, by name: their descriptors, to be closed."""
    ids = (ct.c_uint32 * 64)()
    info = _ProgInfo(nr_map_ids=len(ids), map_ids=ct.addressof(ids))
    size = ct.c_uint32(ct.sizeof(info))
    _map_call("program info", lib.bpf_obj_get_info_by_fd(program.fd, ct.byref(info), ct.byref(size)))
    rings = {}
    for number in ids[: info.nr_map_ids]:
        fd = lib.bpf_map_get_fd_by_id(number)
        _map_call("opening a map", fd)
        told = map_info(fd)
        if told.type == MAP_TYPE_RINGBUF:
            rings[told.name.decode()] = fd
        else:
            os.close(fd)
    return rings


def _map_call(what: str, result: int) -> None:
    if result < 0:
        raise OSError(last_errno(), f"{what}: {os.strerror(last_errno())}")


def map_write(map_fd: int, key: int, value: ct.Structure | ct.Array[ct.c_char]) -> None:
    """Store `value` under `key` of an array."""
    _map_call("map update", lib.bpf_update_elem(map_fd, ct.byref(ct.c_uint32(key)), ct.byref(value), 0))


def map_write_fd(map_fd: int, key: int, fd: int) -> None:
    """Store a descriptor under `key` of a map of sockets, programs or maps."""
    value = ct.c_uint32(fd)
    _map_call("map update", lib.bpf_update_elem(map_fd, ct.byref(ct.c_uint32(key)), ct.byref(value), 0))


def map_delete(map_fd: int, key: int) -> None:
    """Delete `key`."""
    _map_call("map delete", lib.bpf_delete_elem(map_fd, ct.byref(ct.c_uint32(key))))
