"""How each program type is loaded, attached and fired by a real event of the kernel.

One class a type, one table. A new type is a C file in bpf_src/prog_types/, a class here, and a row in
harness/conformance/prog_types.py.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcc import BPF
from bcc.libbcc import lib

from harness.guest import bpf, elf
from harness.guest.bpf import AttachType, Program, ProgType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CGROUP = Path("/sys/fs/cgroup/dynptr-harness")

# The functions behind system calls carry the architecture in their name; asking BCC for it costs a scan
# of kallsyms, one to two seconds in an emulated guest.
SYSCALL_PREFIX = {"x86_64": "__x64_sys_", "aarch64": "__arm64_sys_", "s390x": "__s390x_sys_"}

SOFTWARE_EVENT, CPU_CLOCK = 1, 0  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK
SAMPLE_PERIOD_NS = 1_000_000
BURN_S = 0.05  # fifty periods

SOCKET_TIMEOUT_S = 5.0


class AttachFailed(OSError):
    """The kernel loaded the program and did not attach it."""


def _attached_fd(fd: int, what: str) -> int:
    if fd < 0:
        errno = -fd if fd < -1 else bpf.last_errno()
        raise AttachFailed(errno, f"{what}: {os.strerror(errno)}")
    return fd


@contextmanager
def _link(fd: int, what: str) -> Iterator[None]:
    """A program stays attached as long as the link to it is open."""
    link = _attached_fd(fd, what)
    try:
        yield
    finally:
        os.close(link)


class GuestType:
    """One program type. Its example in C is called like the type, with `_example` behind.

    Attributes:
        name: without the BPF_PROG_TYPE_ prefix.
        attach_type: expected attach type, -1 where the type has none.
        flags: BPF_F_* that its programs are loaded with.
        btf_target: the kernel function or LSM hook that its programs are for.
        returns: what its programs must answer to let the event pass.
    """

    name: str
    attach_type: int = -1
    flags: int = 0
    btf_target: str | None = None
    returns: int = 0

    def __init__(self, module: BPF) -> None:
        self.module = module

    def load(self, function: str) -> Program:
        """Load a function of the module into this type."""
        return bpf.load_by_bcc(self.module, function, ProgType[self.name], attach_type=self.attach_type)

    def load_from(self, path: Path, function: str, maps: Mapping[str, int]) -> Program:
        """Load a function of an ELF object into this type; `maps` take the place of the object's own."""
        return elf.load(
            path,
            function,
            ProgType[self.name],
            maps=maps,
            flags=self.flags,
            attach_type=AttachType(self.attach_type) if self.attach_type >= 0 else None,
            btf_target=self.btf_target,
        )

    @contextmanager
    def attached(self, program: Program) -> Iterator[None]:
        """The program is attached within this context."""
        raise NotImplementedError

    def fire(self) -> Any:
        """Make the event happen, once.

        Returns:
            what the event itself saw, for the host, or None.
        """
        raise NotImplementedError


class _CgroupType(GuestType):
    """A type that is attached to the cgroup which the agent is in."""

    returns = 1

    @contextmanager
    def attached(self, program: Program) -> Iterator[None]:
        CGROUP.mkdir(exist_ok=True)
        (CGROUP / "cgroup.procs").write_text(str(os.getpid()))
        folder = os.open(CGROUP, os.O_DIRECTORY)
        attach_type = AttachType(self.attach_type)
        try:
            _attached_fd(
                lib.bpf_prog_attach(program.fd, folder, attach_type, 0), f"attach to {attach_type.name}"
            )
            try:
                yield
            finally:
                BPF.detach_func(program.function, folder, attach_type)
        finally:
            os.close(folder)


class CgroupSock(_CgroupType):
    name = "CGROUP_SOCK"
    attach_type = AttachType.CGROUP_INET_SOCK_CREATE

    def fire(self) -> Any:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


class CgroupSockAddr(_CgroupType):
    name = "CGROUP_SOCK_ADDR"
    attach_type = AttachType.CGROUP_INET4_CONNECT

    def fire(self) -> Any:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", 9))


class Kprobe(GuestType):
    name = "KPROBE"

    @contextmanager
    def attached(self, program: Program) -> Iterator[None]:
        event = SYSCALL_PREFIX[os.uname().machine] + "getpgid"
        self.module.funcs[program.name.encode()] = program.function
        self.module.attach_kprobe(event=event, fn_name=program.name)
        try:
            yield
        finally:
            self.module.detach_kprobe(event)
            del self.module.funcs[program.name.encode()]

    def fire(self) -> Any:
        os.getpgid(0)


class _MkdirType(GuestType):
    """A type whose program has a BTF target, here one that the making of a folder passes."""

    btf_target: str  # there is always one

    def load(self, function: str) -> Program:
        return bpf.load_by_libbpf(
            self.module,
            function,
            ProgType[self.name],
            attach_type=AttachType(self.attach_type),
            btf_target=self.btf_target,
        )

    def fire(self) -> Any:
        Path(tempfile.mkdtemp()).rmdir()


class Lsm(_MkdirType):
    name = "LSM"
    attach_type = AttachType.LSM_MAC
    btf_target = "inode_mkdir"

    def attached(self, program: Program) -> Any:
        return _link(lib.bpf_attach_lsm(program.fd), "attach to the LSM hook inode_mkdir")


class PerfEvent(GuestType):
    name = "PERF_EVENT"

    @contextmanager
    def attached(self, program: Program) -> Iterator[None]:
        self.module.funcs[program.name.encode()] = program.function
        self.module.attach_perf_event(
            ev_type=SOFTWARE_EVENT,
            ev_config=CPU_CLOCK,
            fn_name=program.name,
            sample_period=SAMPLE_PERIOD_NS,
            pid=os.getpid(),
        )
        try:
            yield
        finally:
            self.module.detach_perf_event(SOFTWARE_EVENT, CPU_CLOCK)
            del self.module.funcs[program.name.encode()]

    def fire(self) -> Any:
        """Burn CPU time, which is what the event counts."""
        end = time.thread_time() + BURN_S
        while time.thread_time() < end:
            pass


class RawTracepoint(GuestType):
    name = "RAW_TRACEPOINT"

    def attached(self, program: Program) -> Any:
        return _link(lib.bpf_attach_raw_tracepoint(program.fd, b"task_rename"), "attach to task_rename")

    def fire(self) -> Any:
        Path("/proc/self/comm").write_text("dynptr-harness")


class RawTracepointWritable(GuestType):
    name = "RAW_TRACEPOINT_WRITABLE"

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._target: Program | None = None

    def attached(self, program: Program) -> Any:
        return _link(
            lib.bpf_attach_raw_tracepoint(program.fd, b"bpf_test_finish"), "attach to bpf_test_finish"
        )

    def fire(self) -> Any:
        if not self._target:
            function = "test_run_target"
            self._target = bpf.load_by_bcc(self.module, function, ProgType.SOCKET_FILTER)
        result, _ = bpf.prog_run(self._target.fd, data=bytes(64))
        return {"test_run": result}


class SkMsg(GuestType):
    name = "SK_MSG"
    returns = 1  # SK_PASS

    @contextmanager
    def attached(self, program: Program) -> Iterator[None]:
        socks = self._socks()
        attach_type = AttachType.SK_MSG_VERDICT
        _attached_fd(lib.bpf_prog_attach(program.fd, socks, attach_type, 0), "attach to the sockmap")
        try:
            yield
        finally:
            BPF.detach_func(program.function, socks, attach_type)

    def fire(self) -> Any:
        """Send over a connection whose socket enters the map now and leaves it afterwards.

        A socket that is in the map when a program is attached never fires it, and one that was in it
        goes on firing after the program was detached.
        """
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=SOCKET_TIMEOUT_S) as client,
        ):
            peer, _ = server.accept()
            with peer:
                peer.settimeout(SOCKET_TIMEOUT_S)
                bpf.map_write_fd(self._socks(), 0, client.fileno())
                try:
                    client.sendall(b"message")
                    return {"received": peer.recv(64).decode()}
                finally:
                    bpf.map_delete(self._socks(), 0)

    def _socks(self) -> int:
        # BCC's b["socks"] knows no table of this type
        return int(lib.bpf_table_fd(self.module.module, b"socks"))


class Syscall(GuestType):
    name = "SYSCALL"
    flags = bpf.BPF_F_SLEEPABLE

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._fd = -1

    def load(self, function: str) -> Program:
        return bpf.load_by_libbpf(self.module, function, ProgType.SYSCALL, flags=self.flags)

    @contextmanager
    def attached(self, program: Program) -> Iterator[None]:
        """There is nothing to attach to: the program can be run as long as there is a descriptor of it."""
        self._fd = program.fd
        try:
            yield
        finally:
            self._fd = -1

    def fire(self) -> Any:
        result, _ = bpf.prog_run(self._fd)
        return {"prog_run": result}


class Tracepoint(GuestType):
    name = "TRACEPOINT"

    @contextmanager
    def attached(self, program: Program) -> Iterator[None]:
        event = "syscalls:sys_enter_getpgid"
        self.module.funcs[program.name.encode()] = program.function
        self.module.attach_tracepoint(tp=event, fn_name=program.name)
        try:
            yield
        finally:
            self.module.detach_tracepoint(event)
            del self.module.funcs[program.name.encode()]

    def fire(self) -> Any:
        os.getpgid(0)


class Tracing(_MkdirType):
    name = "TRACING"
    attach_type = AttachType.TRACE_FENTRY
    btf_target = "vfs_mkdir"

    def attached(self, program: Program) -> Any:
        return _link(lib.bpf_attach_kfunc(program.fd), "attach to the entry of vfs_mkdir")


TYPES: dict[str, type[GuestType]] = {
    kind.name: kind
    for kind in (
        CgroupSock,
        CgroupSockAddr,
        Kprobe,
        Lsm,
        PerfEvent,
        RawTracepoint,
        RawTracepointWritable,
        SkMsg,
        Syscall,
        Tracepoint,
        Tracing,
    )
}
