"""What all program types have in common: loading, and being attached through a link."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf, relocated
from dynptr_harness.guest.bpf.libbpf import AttachType, Program, ProgType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from bcc import BPF

    from dynptr_harness.guest.bpf.objects import UserObject
    from dynptr_harness.guest.bpf.relocated import Relocated


class AttachFailed(OSError):
    """The kernel loaded the program and did not attach it."""


def attached_fd(fd: int, what: str) -> int:
    """The descriptor that an attaching call gave.

    Raises:
        AttachFailed: it gave an error; `what` was to be done.
    """
    if fd < 0:
        errno = -fd if fd < -1 else libbpf.last_errno()
        raise AttachFailed(errno, f"{what}: {os.strerror(errno)}")
    return fd


@contextmanager
def held_open(fd: int, what: str) -> Iterator[None]:
    """A program stays attached as long as the link to it is open."""
    link = attached_fd(fd, what)
    try:
        yield
    finally:
        os.close(link)


def linked(
    program: Program,
    target: int,
    attach_type: AttachType,
    options: libbpf.LinkCreateOpts | None = None,
) -> AbstractContextManager[None]:
    """The program is attached within this context, by a link of its own.

    Args:
        target: what it is attached to: a descriptor, or the index of a network device.
        options: where the attach type has some.
    """
    what = f"make a link of type {attach_type.name}"
    return held_open(libbpf.link_create(program.fd, target, attach_type, options), what)


class GuestType:
    """One program type, or one of the ways to attach it.

    Attributes:
        name: without the BPF_PROG_TYPE_ prefix; of another way to attach a type, with that way behind a
            slash: 'TRACING/fexit'.
        attach_type: expected attach type, -1 where the type has none.
        flags: BPF_F_* that its programs are loaded with.
        btf_target: the kernel function or LSM hook that its programs are for.
        returns: what its programs must answer to let the event pass.
        shared: processes that have nothing to do with us make the event, too, so that programs must look
            who did. Types that cannot ask for the process have events of our own only.
        ran: whether the armed program ran already, for events that take longer the longer one waits.
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
        """Of the program type, however it is attached."""
        return self.name.partition("/")[0]

    @property
    def prog_type(self) -> ProgType:
        """The program type, however it is attached."""
        return ProgType[self.type_name]

    @property
    def example(self) -> str:
        """The function that is its example in C, in bpf_src/prog_types."""
        return f"{self.type_name.lower()}_example"

    def steps(self, stem: str) -> str:
        """The function that does steps for programs of this type; the objects have one for each need."""
        return f"{stem}_{'own_' if self.shared else ''}return_{self.returns}"

    def look_up_target(self) -> None:
        """Find the target in the kernel's BTF, where there is one; found once, it is known.

        Raises:
            LoadRefused: the kernel does not have it.
        """
        if self.btf_target:
            libbpf.btf_id(self.btf_target, self._expected or 0)

    def load(self, function: str) -> Program:
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

    def load_from(self, own: UserObject) -> Program:
        """Load the program of a user's ELF object into this type."""
        return self._load_relocated(relocated.of_user(own))

    def load_ours(self, path: Path, function: str, maps: dict[str, int]) -> Program:
        """Load a function of one of the project's own ELF objects, which libbpf reads once for all types.

        Args:
            maps: descriptors of maps that take the place of the object's own, by name.
        """
        return self._load_relocated(relocated.program(path, function, maps))

    def _load_relocated(self, program: Relocated) -> Program:
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

    def attached(self, program: Program) -> AbstractContextManager[None]:
        """The program is attached within this context."""
        raise NotImplementedError

    def fire(self) -> Any:
        """Make the event happen, once; it is over when this returns.

        Returns:
            what the event itself saw, for the host, or None.
        """
        raise NotImplementedError
