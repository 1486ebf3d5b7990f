"""TRACING and LSM: programs that attach to a kernel function or hook by its BTF ID."""

from __future__ import annotations

import os
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.prog_types.base import GuestType, checked_fd, linked, open_link
from dynptr_harness.guest.prog_types.cgroup import agent_cgroup
from dynptr_harness.protocol.uapi import BPF_F_SLEEPABLE, AttachType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc import BPF

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram


class MkdirHook(GuestType):
    """A type with a BTF target that mkdir(2) calls."""

    shared = True

    def attached(self, program: LoadedProgram) -> Any:
        # BPF_RAW_TRACEPOINT_OPEN without a name: the load already set the target
        return open_link(lib.bpf_attach_kfunc(program.fd), f"attach to {self.btf_target}")

    def fire(self) -> Any:
        Path(tempfile.mkdtemp()).rmdir()


class Lsm(MkdirHook):
    name = "LSM"
    attach_type = AttachType.LSM_MAC
    btf_target = "inode_mkdir"


class LsmSleepable(Lsm):
    """Uses a hook of rmdir(2) that allows sleepable programs. `fire` removes the new directory."""

    name = "LSM/sleepable"
    btf_target = "inode_rmdir"
    flags = BPF_F_SLEEPABLE


class LsmCgroup(GuestType):
    name = "LSM/cgroup"
    attach_type = AttachType.LSM_CGROUP
    btf_target = "socket_create"
    shared = True

    @property
    def example(self) -> str:
        """A separate example, because LSM_CGROUP programs return 1 to allow, and others 0."""
        return "lsm_cgroup_example"

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        with agent_cgroup() as cgroup, linked(program, cgroup, AttachType.LSM_CGROUP):
            yield

    def fire(self) -> Any:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


class Tracing(MkdirHook):
    name = "TRACING"
    attach_type = AttachType.TRACE_FENTRY
    btf_target = "vfs_mkdir"


class Fexit(MkdirHook):
    name = "TRACING/fexit"
    attach_type = AttachType.TRACE_FEXIT
    btf_target = "vfs_mkdir"


class FmodRet(MkdirHook):
    name = "TRACING/fmod_ret"
    attach_type = AttachType.MODIFY_RETURN
    btf_target = "security_inode_mkdir"


class FentrySleepable(MkdirHook):
    """Uses a function that allows sleepable programs on all kernels that have them."""

    name = "TRACING/sleepable"
    attach_type = AttachType.TRACE_FENTRY
    btf_target = "bpf_fentry_test1"
    flags = BPF_F_SLEEPABLE

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._caller: LoadedProgram | None = None

    def fire(self) -> Any:
        """Run any program of this type with BPF_PROG_TEST_RUN, which calls bpf_fentry_test1."""
        self._caller = self._caller or self.load(self.example)
        result, _ = libbpf.prog_run(self._caller.fd)
        return {"prog_run": result}


class RawTracepointByBtf(MkdirHook):
    name = "TRACING/tp_btf"
    attach_type = AttachType.TRACE_RAW_TP
    btf_target = "task_rename"

    def fire(self) -> Any:
        Path("/proc/self/comm").write_text("dynptr-harness")


class MapIterator(GuestType):
    """An iterator over all maps. The program runs for each map when the iterator's file is read."""

    name = "TRACING/iter"
    attach_type = AttachType.TRACE_ITER
    btf_target = "bpf_map"
    shared = True

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._link = -1

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        self._link = checked_fd(
            libbpf.link_create(program.fd, 0, AttachType.TRACE_ITER), "make a link of an iterator"
        )
        try:
            yield
        finally:
            os.close(self._link)
            self._link = -1

    def fire(self) -> Any:
        if self._link < 0:
            return {"read": None}
        with os.fdopen(checked_fd(lib.bpf_iter_create(self._link), "make an iterator")) as file:
            return {"read": file.read()}


TYPES = (
    FentrySleepable,
    Fexit,
    FmodRet,
    Lsm,
    LsmCgroup,
    LsmSleepable,
    MapIterator,
    RawTracepointByBtf,
    Tracing,
)
