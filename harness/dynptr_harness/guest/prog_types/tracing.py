"""Types that attach to probes, tracepoints and perf events."""

from __future__ import annotations

import ctypes as ct
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcc.libbcc import lib

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.prog_types.base import GuestType, linked, open_link
from dynptr_harness.guest.system.sysctl import Unavailable
from dynptr_harness.protocol.uapi import AttachType, BpfProgType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from bcc import BPF

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram

# Prefix of the kernel functions of system calls. BCC would scan kallsyms for it, which takes one to two
# seconds in an emulated guest.
SYSCALL_PREFIX = {"x86_64": "__x64_sys_", "aarch64": "__arm64_sys_", "s390x": "__s390x_sys_"}
GETPGID = SYSCALL_PREFIX[os.uname().machine] + "getpgid"

libc = ct.CDLL(None)
PR_SET_NAME = 15  # include/uapi/linux/prctl.h

HARDWARE_EVENT, CPU_CYCLES = 0, 0  # PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES
COUNTERS = Path("/sys/bus/event_source/devices/cpu")
SOFTWARE_EVENT, CPU_CLOCK = 1, 0  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK
SAMPLE_PERIOD_NS = 1_000_000
# Seconds of CPU time to use up: while no program is attached, and at most while one is. On a busy host a
# guest can miss its timer for many periods.
DETACHED_BURN_S, ATTACHED_BURN_S = 0.02, 2.0


class BccAttachedType(GuestType):
    """A type that BCC's Python API attaches. BCC finds the program by its name in `funcs`."""

    def attached(self, program: LoadedProgram) -> AbstractContextManager[None]:
        return self._attached_by_name(program)

    @contextmanager
    def _attached_by_name(self, program: LoadedProgram) -> Iterator[None]:
        self.module.funcs[program.name.encode()] = program.function
        try:
            with self._attached(program.name):
                yield
        finally:
            del self.module.funcs[program.name.encode()]

    def _attached(self, name: str) -> AbstractContextManager[None]:
        raise NotImplementedError


class Kprobe(BccAttachedType):
    name = "KPROBE"
    shared = True

    @contextmanager
    def _attached(self, name: str) -> Iterator[None]:
        self.module.attach_kprobe(event=GETPGID, fn_name=name)
        try:
            yield
        finally:
            self.module.detach_kprobe(GETPGID)

    def fire(self) -> Any:
        os.getpgid(0)


class Kretprobe(Kprobe):
    name = "KPROBE/kretprobe"

    @contextmanager
    def _attached(self, name: str) -> Iterator[None]:
        self.module.attach_kretprobe(event=GETPGID, fn_name=name)
        try:
            yield
        finally:
            self.module.detach_kretprobe(GETPGID)


class Uprobe(Kprobe):
    """Attaches to getpgid() of the C library."""

    name = "KPROBE/uprobe"

    @contextmanager
    def _attached(self, name: str) -> Iterator[None]:
        maps = Path("/proc/self/maps").read_text()
        libc = next(line.split()[-1] for line in maps.splitlines() if "/libc.so." in line)
        self.module.attach_uprobe(name=libc, sym="getpgid", fn_name=name, pid=os.getpid())
        try:
            yield
        finally:
            self.module.detach_uprobe(name=libc, sym="getpgid", pid=os.getpid())


class _KprobeMultiOpts(libbpf.LinkCreateOpts):
    """struct bpf_link_create_opts with the fields for kprobe.multi."""

    _fields_ = (
        ("kprobe_flags", ct.c_uint32),
        ("count", ct.c_uint32),
        ("symbols", ct.POINTER(ct.c_char_p)),
        ("addresses", ct.c_void_p),
        ("cookies", ct.c_void_p),
    )


class KprobeMulti(GuestType):
    name = "KPROBE/multi"
    attach_type = AttachType.TRACE_KPROBE_MULTI
    shared = True

    def attached(self, program: LoadedProgram) -> Any:
        symbols = (ct.c_char_p * 1)(GETPGID.encode())
        options = _KprobeMultiOpts(count=1, symbols=symbols)
        return linked(program, 0, AttachType.TRACE_KPROBE_MULTI, options)

    def fire(self) -> Any:
        os.getpgid(0)


class Tracepoint(BccAttachedType):
    name = "TRACEPOINT"
    shared = True

    @contextmanager
    def _attached(self, name: str) -> Iterator[None]:
        event = "syscalls:sys_enter_getpgid"
        self.module.attach_tracepoint(tp=event, fn_name=name)
        try:
            yield
        finally:
            self.module.detach_tracepoint(event)

    def fire(self) -> Any:
        os.getpgid(0)


class PerfEvent(BccAttachedType):
    name = "PERF_EVENT"
    shared = True
    event = (SOFTWARE_EVENT, CPU_CLOCK)
    _burn = DETACHED_BURN_S

    @contextmanager
    def _attached(self, name: str) -> Iterator[None]:
        event_type, config = self.event
        self.module.attach_perf_event(
            ev_type=event_type,
            ev_config=config,
            fn_name=name,
            sample_period=SAMPLE_PERIOD_NS,
            pid=os.getpid(),
        )
        self._burn = ATTACHED_BURN_S
        try:
            yield
        finally:
            self._burn = DETACHED_BURN_S
            self.module.detach_perf_event(event_type, config)

    def fire(self) -> Any:
        """Use up CPU time, which the event counts, until the program has run."""
        end = time.thread_time() + self._burn
        while time.thread_time() < end and not self.ran():
            pass


class PerfEventHardware(PerfEvent):
    name = "PERF_EVENT/hardware"
    event = (HARDWARE_EVENT, CPU_CYCLES)

    def attached(self, program: LoadedProgram) -> AbstractContextManager[None]:
        if not COUNTERS.exists():
            raise Unavailable("the machine has no hardware counters for perf events")
        return super().attached(program)


class RawTracepoint(GuestType):
    name = "RAW_TRACEPOINT"
    shared = True

    def attached(self, program: LoadedProgram) -> Any:
        return open_link(lib.bpf_attach_raw_tracepoint(program.fd, b"task_rename"), "attach to task_rename")

    def fire(self) -> Any:
        libc.prctl(PR_SET_NAME, b"dynptr-harness")


class RawTracepointWritable(GuestType):
    name = "RAW_TRACEPOINT_WRITABLE"

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._target: LoadedProgram | None = None

    def attached(self, program: LoadedProgram) -> Any:
        return open_link(
            lib.bpf_attach_raw_tracepoint(program.fd, b"bpf_test_finish"), "attach to bpf_test_finish"
        )

    def fire(self) -> Any:
        if not self._target:
            function = "test_run_target"
            self._target = libbpf.load_by_bcc(self.module, function, BpfProgType.SOCKET_FILTER)
        result, _ = libbpf.prog_run(self._target.fd, data=bytes(64))
        return {"test_run": result}


TYPES = (
    Kprobe,
    KprobeMulti,
    Kretprobe,
    Uprobe,
    PerfEvent,
    PerfEventHardware,
    RawTracepoint,
    RawTracepointWritable,
    Tracepoint,
)
