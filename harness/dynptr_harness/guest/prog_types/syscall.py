"""SYSCALL: programs that user space runs with BPF_PROG_TEST_RUN."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.prog_types.base import GuestType
from dynptr_harness.protocol.uapi import BPF_F_SLEEPABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcc import BPF

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram


class Syscall(GuestType):
    name = "SYSCALL"
    flags = BPF_F_SLEEPABLE

    def __init__(self, module: BPF) -> None:
        super().__init__(module)
        self._fd = -1

    @contextmanager
    def attached(self, program: LoadedProgram) -> Iterator[None]:
        # nothing to attach to: `fire` runs the program by its file descriptor
        self._fd = program.fd
        try:
            yield
        finally:
            self._fd = -1

    def fire(self) -> Any:
        result, _ = libbpf.prog_run(self._fd)
        return {"prog_run": result}


TYPES = (Syscall,)
