"""Types that attach to a cgroup. They use the agent's own cgroup."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcc import BPF
from bcc.libbcc import lib

from dynptr_harness.guest.prog_types import packets
from dynptr_harness.guest.prog_types.base import GuestType, checked_fd
from dynptr_harness.protocol.uapi import AttachType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram

CGROUP = Path("/sys/fs/cgroup/dynptr-harness")


@contextmanager
def agent_cgroup() -> Iterator[int]:
    """Move this process into the cgroup CGROUP, and yield a file descriptor for it."""
    CGROUP.mkdir(exist_ok=True)
    (CGROUP / "cgroup.procs").write_text(str(os.getpid()))
    cgroup = os.open(CGROUP, os.O_DIRECTORY)
    try:
        yield cgroup
    finally:
        os.close(cgroup)


class CgroupType(GuestType):
    """A type that bpf_prog_attach attaches to a cgroup."""

    returns = 1  # allow the action

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        attach_type = AttachType(self.attach_type)
        with agent_cgroup() as cgroup:
            checked_fd(
                lib.bpf_prog_attach(program.fd, cgroup, attach_type, 0), f"attach to {attach_type.name}"
            )
            try:
                yield
            finally:
                BPF.detach_func(program.function, cgroup, attach_type)


class CgroupDevice(CgroupType):
    name = "CGROUP_DEVICE"
    attach_type = AttachType.CGROUP_DEVICE

    def fire(self) -> Any:
        os.close(os.open(os.devnull, os.O_RDONLY))


class CgroupSkb(CgroupType):
    name = "CGROUP_SKB"
    attach_type = AttachType.CGROUP_INET_EGRESS

    def fire(self) -> Any:
        return packets.datagram()


class CgroupSock(CgroupType):
    name = "CGROUP_SOCK"
    attach_type = AttachType.CGROUP_INET_SOCK_CREATE

    def fire(self) -> Any:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


class CgroupSockAddr(CgroupType):
    name = "CGROUP_SOCK_ADDR"
    attach_type = AttachType.CGROUP_INET4_CONNECT

    def fire(self) -> Any:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", 9))


class CgroupSockopt(CgroupType):
    name = "CGROUP_SOCKOPT"
    attach_type = AttachType.CGROUP_SETSOCKOPT

    def fire(self) -> Any:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


class CgroupSysctl(CgroupType):
    name = "CGROUP_SYSCTL"
    attach_type = AttachType.CGROUP_SYSCTL

    def fire(self) -> Any:
        return {"read": Path("/proc/sys/kernel/ostype").read_text().strip()}


class SockOps(CgroupType):
    name = "SOCK_OPS"
    attach_type = AttachType.CGROUP_SOCK_OPS

    def fire(self) -> Any:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.listen()


def _use_udp(family: socket.AddressFamily, address: str) -> None:
    """Make the calls on UDP sockets that have cgroup hooks."""
    with socket.socket(family, socket.SOCK_DGRAM) as one, socket.socket(family, socket.SOCK_DGRAM) as other:
        one.bind((address, 0))
        other.sendto(packets.MESSAGE, one.getsockname())
        one.recvfrom(64)
        other.connect(one.getsockname())
        other.getpeername()


def _use_unix() -> None:
    """Make the calls on Unix sockets that have cgroup hooks."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        one.bind("")  # autobind, see unix(7)
        other.bind("")
        other.sendto(packets.MESSAGE, one.getsockname())
        one.recvfrom(64)
        other.connect(one.getsockname())
        other.getpeername()


def _variant(base: type[CgroupType], hook: str, attach_type: AttachType) -> type[CgroupType]:
    """Return the variant of a type for another hook. The hook's suffix is the address family."""

    def fire(_self: CgroupType) -> None:
        if hook.endswith("unix"):
            _use_unix()
        elif hook.endswith("6"):
            _use_udp(socket.AF_INET6, "::1")
        else:
            _use_udp(socket.AF_INET, "127.0.0.1")

    contents = {"name": f"{base.name}/{hook}", "attach_type": attach_type, "fire": fire}
    return type(f"{base.__name__}_{hook}", (base,), contents)


SOCK_HOOKS = {
    "post_bind4": AttachType.CGROUP_INET4_POST_BIND,
    "post_bind6": AttachType.CGROUP_INET6_POST_BIND,
    "release": AttachType.CGROUP_INET_SOCK_RELEASE,
}
SOCK_ADDR_HOOKS = {
    "bind4": AttachType.CGROUP_INET4_BIND,
    "bind6": AttachType.CGROUP_INET6_BIND,
    "connect6": AttachType.CGROUP_INET6_CONNECT,
    "connect_unix": AttachType.CGROUP_UNIX_CONNECT,
    "getpeername4": AttachType.CGROUP_INET4_GETPEERNAME,
    "getpeername6": AttachType.CGROUP_INET6_GETPEERNAME,
    "getpeername_unix": AttachType.CGROUP_UNIX_GETPEERNAME,
    "getsockname4": AttachType.CGROUP_INET4_GETSOCKNAME,
    "getsockname6": AttachType.CGROUP_INET6_GETSOCKNAME,
    "getsockname_unix": AttachType.CGROUP_UNIX_GETSOCKNAME,
    "recvmsg4": AttachType.CGROUP_UDP4_RECVMSG,
    "recvmsg6": AttachType.CGROUP_UDP6_RECVMSG,
    "recvmsg_unix": AttachType.CGROUP_UNIX_RECVMSG,
    "sendmsg4": AttachType.CGROUP_UDP4_SENDMSG,
    "sendmsg6": AttachType.CGROUP_UDP6_SENDMSG,
    "sendmsg_unix": AttachType.CGROUP_UNIX_SENDMSG,
}

TYPES = (
    CgroupDevice,
    CgroupSkb,
    CgroupSock,
    *(_variant(CgroupSock, *hook) for hook in SOCK_HOOKS.items()),
    CgroupSockAddr,
    *(_variant(CgroupSockAddr, *hook) for hook in SOCK_ADDR_HOOKS.items()),
    CgroupSockopt,
    CgroupSysctl,
    SockOps,
)
