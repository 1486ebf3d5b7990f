"""The base class of program types."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf, relocated
from dynptr_harness.protocol.uapi import AttachType, BpfProgType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bcc import BPF

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram
    from dynptr_harness.guest.bpf.objects import UserObject
    from dynptr_harness.guest.bpf.relocated import Relocated


class AttachFailed(OSError):
    """The kernel loaded the program but did not attach it."""


def checked_fd(fd: int, what: str) -> int:
    """Return the file descriptor that an attach call returned.

    Args:
        what: the action, for the message.

    Raises:
        AttachFailed: the call returned an error: -1 with errno set, or a negative errno.
    """
    if fd < 0:
        errno = -fd if fd < -1 else libbpf.last_errno()
        raise AttachFailed(errno, f"{what}: {os.strerror(errno)}")
    return fd


@contextmanager
def open_link(fd: int, what: str) -> Iterator[None]:
    """Hold a link open, which keeps its program attached. Takes the arguments of `checked_fd`."""
    link = checked_fd(fd, what)
    try:
        yield
    finally:
        os.close(link)


def linked(
    program: LoadedProgram,
    target: int,
    attach_type: AttachType,
    options: libbpf.LinkCreateOpts | None = None,
) -> AbstractContextManager[None]:
    """Attach the program with a new link.

    Args:
        target: file descriptor or index of a network device, depending on the attach type.
        options: for attach types that have options.
    """
    what = f"make a link of type {attach_type.name}"
    return open_link(libbpf.link_create(program.fd, target, attach_type, options), what)


class GuestType:
    """A program type, or a variant that is attached in another way.

    Attributes:
        name: without the BPF_PROG_TYPE_ prefix. A variant has a suffix: 'TRACING/fexit'.
        attach_type: expected attach type, or -1.
        flags: BPF_F_* flags of the load.
        btf_target: kernel function or LSM hook that the programs attach to.
        returns: return value that lets the event pass.
        shared: other processes cause the event too, so that programs must check the process. Types whose
            programs cannot get the process ID have events that only the agent causes.
        ran: returns True if the armed program has run. For events that need a wait.
    """

    name: str
    attach_type: int = -1
    flags: int = 0
    btf_target: str | None = None
    returns: int = 0
    shared: bool = False

    def __init__(self, module: BPF) -> None:
        self.module = module
        self.ran: Callable[[], bool] = lambda: False

    @property
    def type_name(self) -> str:
        """Name of the program type, without the suffix of a variant."""
        return self.name.partition("/")[0]

    @property
    def prog_type(self) -> BpfProgType:
        """The program type, the same for its variants."""
        return BpfProgType[self.type_name]

    @property
    def example(self) -> str:
        """Name of the type's example, a C function in bpf_src/prog_types."""
        return f"{self.type_name.lower()}_example"

    def steps(self, stem: str) -> str:
        """Return the name of the conformance program for this type.

        The objects have a variant for each return value, and for types with shared events.
        """
        return f"{stem}_{'own_' if self.shared else ''}return_{self.returns}"

    def look_up_target(self) -> None:
        """Look up the BTF ID of the target, which is then cached.

        Raises:
            LoadRefused: the kernel lacks the target.
        """
        if self.btf_target:
            libbpf.btf_id(self.btf_target, self._expected or 0)

    def load(self, function: str) -> LoadedProgram:
        """Load a function of the module into this type."""
        if not (self.flags or self.btf_target):
            return libbpf.load_by_bcc(self.module, function, self.prog_type, attach_type=self.attach_type)
        return libbpf.load_by_libbpf(
            self.module,
            function,
            self.prog_type,
            flags=self.flags,
            attach_type=self._expected,
            btf_target=self.btf_target,
        )

    def load_from(self, user_object: UserObject) -> LoadedProgram:
        """Load the program of a user's object into this type."""
        return self._load_relocated(relocated.of_user(user_object))

    def load_harness_object(self, path: Path, function: str, maps: dict[str, int]) -> LoadedProgram:
        """Load a function of an object of the harness. libbpf parses each object only once.

        Args:
            maps: descriptors of maps that replace the object's own, by name.
        """
        return self._load_relocated(relocated.program(path, function, maps))

    def _load_relocated(self, program: Relocated) -> LoadedProgram:
        options = dict(program.described)
        if self.btf_target:
            options["attach_btf_id"] = libbpf.btf_id(self.btf_target, self._expected or 0)
        return libbpf.load_code(
            program.name,
            program.code,
            self.prog_type,
            license_=program.license,
            prog_flags=self.flags,
            expected_attach_type=self._expected or 0,
            **options,
        )

    @property
    def _expected(self) -> AttachType | None:
        return AttachType(self.attach_type) if self.attach_type >= 0 else None

    def attached(self, program: LoadedProgram) -> AbstractContextManager[None]:
        """Attach the program within this context.

        Raises:
            AttachFailed: the kernel did not attach it.
            Unavailable: the kernel or the machine lacks a feature that the type needs.
        """
        raise NotImplementedError

    def fire(self) -> Any:
        """Cause the event once. All programs have run when this returns.

        Returns:
            an observation of the event for the host, or None.
        """
        raise NotImplementedError
