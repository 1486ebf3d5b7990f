"""STRUCT_OPS: programs that implement functions of a kernel structure, here of a TCP congestion control."""

from __future__ import annotations

import ctypes as ct
import os
import socket
from contextlib import ExitStack, contextmanager
from errno import EOPNOTSUPP
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import btf, libbpf
from dynptr_harness.guest.prog_types import packets
from dynptr_harness.guest.prog_types.base import AttachFailed, GuestType
from dynptr_harness.guest.system.sysctl import Unavailable
from dynptr_harness.protocol.uapi import BpfProgType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from bcc import BPF

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram
    from dynptr_harness.guest.bpf.relocated import Relocated

# net/ipv4/tcp_cong.c: tcp_validate_congestion_control()
MANDATORY = ("ssthresh", "undo_cwnd", "cong_avoid")
NAME = b"dynptr_harness"
BUILT_IN = b"reno"


def _kernel_struct(name: str) -> btf.Struct:
    found = btf.struct(name)
    if not found:
        raise Unavailable(f"the kernel has no struct {name}")
    return found


class StructOps(GuestType):
    """A type whose programs implement one member of a structure.

    Attributes:
        struct: name of the structure.
        member: name of the member.
    """

    name = "STRUCT_OPS"
    struct = "tcp_congestion_ops"
    member = "init"  # called when a connection starts to use the congestion control

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._idle: dict[str, LoadedProgram] = {}  # for mandatory members, by name
        self._kept = ExitStack()  # never closed

    def load(self, function: str) -> LoadedProgram:
        return self._load_member(function, self.member)

    def _load_member(self, function: str, member: str) -> LoadedProgram:
        ops = _kernel_struct(self.struct)
        return libbpf.load_by_libbpf(
            self.module, function, BpfProgType.STRUCT_OPS, attach_type=ops.index(member), attach_btf_id=ops.id
        )

    def _load_relocated(self, program: Relocated) -> LoadedProgram:
        ops = _kernel_struct(self.struct)
        return libbpf.load_code(
            program.name,
            program.code,
            BpfProgType.STRUCT_OPS,
            license_=program.license,
            expected_attach_type=ops.index(self.member),
            attach_btf_id=ops.id,
            **program.described,
        )

    def attached(self, program: LoadedProgram) -> AbstractContextManager[None]:
        return self._registered(program)

    @contextmanager
    def _registered(self, program: LoadedProgram) -> Iterator[None]:
        wrapped = _kernel_struct(f"bpf_struct_ops_{self.struct}")
        for member in MANDATORY:
            if member not in self._idle:
                self._idle[member] = self._load_member("struct_ops_idle", member)
        ops = libbpf.struct_ops_map(wrapped, btf.global_function(self.member, "sock").fd)
        try:
            try:
                libbpf.map_write(ops, 0, self._value(wrapped, program))
            except OSError as error:
                raise AttachFailed(error.errno, f"register a congestion control: {error.strerror}") from error
            yield
            libbpf.map_delete(ops, 0)
        finally:
            os.close(ops)

    def _value(self, wrapped: btf.Struct, program: LoadedProgram) -> ct.Array[ct.c_char]:
        """Return the value for the map: the structure, with a program's file descriptor for each function."""
        ops, start = _kernel_struct(self.struct), wrapped.members["data"]
        value = ct.create_string_buffer(wrapped.size)
        functions = {member: idle.fd for member, idle in self._idle.items()} | {self.member: program.fd}
        for member, fd in functions.items():
            ct.c_uint64.from_buffer(value, start + ops.members[member]).value = fd
        ct.memmove(ct.addressof(value) + start + ops.members["name"], NAME, len(NAME))
        return value

    def fire(self) -> Any:
        """Let a connection switch to the congestion control and back."""
        client, _peer = self._connection
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, NAME)
        except FileNotFoundError:
            return {"used": False}
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, BUILT_IN)
        return {"used": True}

    @cached_property
    def _connection(self) -> tuple[socket.socket, socket.socket]:
        """Return a permanent TCP connection. A new one would take longer than the rest of an event."""
        return self._kept.enter_context(packets.connection())


class DummyOps(StructOps):
    """A structure for tests. Its programs can call almost no helpers."""

    name = "STRUCT_OPS/bpf_dummy_ops"
    struct = "bpf_dummy_ops"
    member = "test_1"

    @property
    def example(self) -> str:
        """A separate example that starts with the helper, because it cannot look up map elements."""
        return "struct_ops_dummy_example"

    def attached(self, program: LoadedProgram) -> AbstractContextManager[None]:  # noqa: ARG002
        raise AttachFailed(EOPNOTSUPP, f"register a {self.struct}: the kernel only runs it for tests")


TYPES = (DummyOps, StructOps)
