"""Types that attach to a socket or to a sockmap."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bcc import BPF
from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.prog_types import packets
from dynptr_harness.guest.prog_types.base import AttachFailed, GuestType, checked_fd
from dynptr_harness.protocol.uapi import AttachType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram

# include/uapi/asm-generic/socket.h; Python's module lacks them
SO_DETACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF = 27, 50, 52


def _set_program(one: socket.socket, option: int, program: LoadedProgram) -> None:
    try:
        one.setsockopt(socket.SOL_SOCKET, option, program.fd)
    except OSError as error:
        raise AttachFailed(error.errno, f"attach to a socket: {error.strerror}") from error


class SockmapType(GuestType):
    """A type that attaches to the map `socks` and runs for the sockets in it.

    A socket is in the map for one event only. A socket that was in the map before attach does not fire the
    program, and a socket that stays in it after detach still does.
    """

    returns = 1  # SK_PASS

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        socks = self._socks()
        attach_type = AttachType(self.attach_type)
        checked_fd(lib.bpf_prog_attach(program.fd, socks, attach_type, 0), "attach to the sockmap")
        try:
            yield
        finally:
            BPF.detach_func(program.function, socks, attach_type)

    @contextmanager
    def _in_map(self, one: socket.socket) -> Iterator[None]:
        libbpf.map_write_fd(self._socks(), 0, one.fileno())
        try:
            yield
        finally:
            libbpf.map_delete(self._socks(), 0)

    def _socks(self) -> int:
        # BCC's module["socks"] does not support this map type
        return int(lib.bpf_table_fd(self.module.module, b"socks"))


class SkMsg(SockmapType):
    name = "SK_MSG"
    attach_type = AttachType.SK_MSG_VERDICT

    def fire(self) -> Any:
        with packets.connection() as (client, peer), self._in_map(client):
            client.sendall(packets.MESSAGE)
            return packets.arrival(peer)


class SkSkb(SockmapType):
    name = "SK_SKB"
    attach_type = AttachType.SK_SKB_STREAM_VERDICT

    def fire(self) -> Any:
        with packets.connection() as (client, peer), self._in_map(peer):
            client.sendall(packets.MESSAGE)
            return packets.arrival(peer)


class SkSkbVerdict(SkSkb):
    """SK_SKB with the attach type for sockets of any kind, without a stream parser."""

    name = "SK_SKB/verdict"
    attach_type = AttachType.SK_SKB_VERDICT


class SocketFilter(GuestType):
    name = "SOCKET_FILTER"
    returns = 1  # number of bytes of the packet to keep

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._sender, self._receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        _set_program(self._receiver, SO_ATTACH_BPF, program)
        try:
            yield
        finally:
            self._receiver.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)

    def fire(self) -> Any:
        self._sender.send(packets.MESSAGE)
        return packets.arrival(self._receiver)


class SkReuseport(GuestType):
    name = "SK_REUSEPORT"
    returns = 1  # SK_PASS: the kernel chooses a socket of the group

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._program: LoadedProgram | None = None

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        # `fire` creates the group of sockets and attaches the program
        self._program = program
        try:
            yield
        finally:
            self._program = None

    def fire(self) -> Any:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        ):
            receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            receiver.bind(("127.0.0.1", 0))
            if self._program:
                _set_program(receiver, SO_ATTACH_REUSEPORT_EBPF, self._program)
            sender.sendto(packets.MESSAGE, receiver.getsockname())
            return packets.arrival(receiver)


TYPES = (SkMsg, SkReuseport, SkSkb, SkSkbVerdict, SocketFilter)
