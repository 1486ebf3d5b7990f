"""Fixtures for users' tests: a running guest and BPF programs loaded in it."""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dynptr_harness.commands.user_program import COMPILE_DEADLINE, CompileFailed, FileRefused, UserProgram
from dynptr_harness.conformance import plan
from dynptr_harness.conformance.prog_types import PROG_TYPES
from dynptr_harness.core.errors import HarnessError, WrongUsage
from dynptr_harness.core.kernel_version import KernelVersion
from dynptr_harness.core.refusal import Refusal, Refuser, refusal
from dynptr_harness.core.text import printable
from dynptr_harness.pytest_plugin.errors import short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from dynptr_harness.commands.user_program import GivenSource
    from dynptr_harness.conformance.prog_types import Version
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.pytest_plugin.machine_session import MachineSession
    from dynptr_harness.vm.machine import Machine

DEADLINE = 60.0  # seconds for each request to the agent


class Refused(HarnessError):
    """libbpf or the kernel rejected the load or attach of a program.

    Attributes:
        by: 'libbpf', 'kernel map creation', 'verifier', 'kernel' or 'attach'.
        errno: errno of bpf(2), or 0 if the kernel lacks the program type.
        reason: one line.
        log: verifier log or libbpf's messages; '' if there are none.
    """

    def __init__(self, name: str, why: Refusal) -> None:
        super().__init__(f"{why.who} refused {name}: {why.reason}")
        self.by = str(why.by)
        self.errno = why.errno
        self.reason = why.reason
        self.log = why.log

    def __str__(self) -> str:
        return f"{self.fact}\n{printable(self.log)}".rstrip()


@dataclass(frozen=True)
class Ran:
    """Result of a command in the guest.

    Attributes:
        status: exit status, negative if a signal ended the command.
        stdout: standard output.
        stderr: standard error.
    """

    status: int
    stdout: bytes
    stderr: bytes


class Guest:
    """A fresh VM with the kernel under test.

    Attributes:
        facts: facts from the agent: release, arch, bcc, libbpf and so on.
        console: file with the console output.
    """

    def __init__(self, session: MachineSession, machine: Machine, kernel: Kernel | None = None) -> None:
        self.facts: Mapping[str, Any] = machine.facts
        self.console = machine.console
        self._session = session
        self.machine = machine
        self._kernel = kernel

    @property
    def version(self) -> Version:
        """Kernel version, such as (6, 12) for '6.12.117+deb13-cloud-amd64'."""
        return KernelVersion(self.facts["release"]).major_minor

    @short
    def run(self, *argv: str, stdin: bytes = b"", timeout: float = DEADLINE) -> Ran:
        """Run a command in the guest and wait for it, at most `timeout` seconds.

        Raises:
            MachineFailed: the VM failed, or the command took too long.
        """
        request = {"kind": "run", "argv": argv, "stdin": base64.b64encode(stdin).decode()}
        reply = self.ask(request, timeout)
        return Ran(reply["status"], *(base64.b64decode(reply[name]) for name in ("stdout", "stderr")))

    @short
    def ask(self, request: dict[str, Any], deadline: float = DEADLINE) -> dict[str, Any]:
        """Send a request to the agent and return its reply; see dynptr_harness.guest.agent.dispatcher."""
        return self._session.run(self.machine.ask(request, deadline))

    def given(self, source: UserProgram) -> GivenSource:
        """Send a C file to the agent."""
        return self._session.run(source.give_to(self.machine, self._kernel))


class Bpf:
    """Loads programs from C files in the guest.

    Args:
        directory: base of relative paths.
    """

    def __init__(self, guest: Guest, directory: Path) -> None:
        self._guest = guest
        self._directory = directory

    @short
    def load(self, path: Path | str, function: str | None = None, prog_type: str | None = None) -> Program:
        """Compile a file and load a program from it.

        Args:
            path: C file or BPF object. clang on this machine compiles a C file with SEC() for libbpf. BCC in
                the guest compiles any other.
            function: name of the program; needed if the file has several.
            prog_type: program type, in upper or lower case; default: the type in SEC().

        Raises:
            Refused: libbpf or the kernel rejected the program, or the kernel lacks the type.
            WrongUsage: the file cannot be read, the type does not exist, or neither `prog_type` nor SEC()
                names one.
            AssertionError: clang rejected the file.
        """
        __tracebackhide__ = True  # show the line of the test; the message has the rest
        try:
            source = UserProgram.read(self._directory / path)
        except CompileFailed as failed:
            raise AssertionError(f"{failed.fact}:\n{failed.diagnostics}") from None
        if not prog_type and source.loader == "bcc":
            raise WrongUsage(f"{source.name} has no SEC(): name a prog_type")
        try:
            given = self._guest.given(source)
        except CompileFailed as failed:
            raise AssertionError(f"{failed.fact}:\n{failed.diagnostics}") from None
        except FileRefused as refused:
            raise Refused(source.name, refused.why) from None
        name = function or self._only(given, source)
        reply = self._guest.ask(given.request(name, prog_type and _known(prog_type)), COMPILE_DEADLINE)
        if "refused" in reply:
            raise Refused(name, refusal(reply["refused"]))
        if "no_type" in reply or "unavailable" in reply:
            reason = reply.get("unavailable", f"the kernel has no programs of type {prog_type}")
            raise Refused(name, Refusal(Refuser.KERNEL, 0, reason, ""))
        return Program(self._guest, name, reply["program"], fires=bool(prog_type))

    @staticmethod
    def _only(given: GivenSource, source: UserProgram) -> str:
        __tracebackhide__ = True
        names = list(given.programs)
        if len(names) != 1:
            raise ValueError(f"{source.name} has the programs {', '.join(names) or 'none'}: name one")
        return names[0]


def _known(prog_type: str) -> str:
    """Return the name of a program type in upper case."""
    names = [each.name for each in PROG_TYPES]
    (name,) = plan.select(names, [prog_type], what="program type", command="types")
    return name


class Program:
    """A loaded program. It lives as long as the VM."""

    def __init__(self, guest: Guest, name: str, number: int, *, fires: bool) -> None:
        self.name = name
        self._fires = fires
        self._guest = guest
        self._number = number

    def attached(self) -> AbstractContextManager[None]:
        """Attach the program within this context, to the event of its type or by its section.

        Raises:
            Refused: the kernel rejected the attach.
        """
        return _Attached(self._attach, partial(self._do, "detach"))

    @short
    def _attach(self) -> None:
        reply = self._do("attach")
        if failed := reply.get("attach_failed"):
            raise Refused(self.name, refusal(failed, Refuser.ATTACH))

    @short
    def fire(self) -> Any:
        """Trigger the event of the program type once and return its result. See `dynptr-harness types`.

        Raises:
            WrongUsage: the program was loaded by its section, so its event is unknown.
        """
        if not self._fires:
            raise WrongUsage(f"the event of {self.name} is not known: trigger it with machine.run")
        return self._do("fire")["event"]

    def records(self, ring: str | None = None) -> list[bytes]:
        """Return the new records of a ring buffer. `ring` is needed if the program uses several."""
        __tracebackhide__ = True
        rings: dict[str, list[str]] = self._do("records")["records"]
        if ring is None and len(rings) != 1:
            raise ValueError(f"{self.name} uses the ring buffers {', '.join(rings) or 'none'}: name one")
        return [bytes.fromhex(record) for record in rings[ring or next(iter(rings))]]

    def _do(self, act: str) -> dict[str, Any]:
        return self._guest.ask({"kind": "own", "do": act, "program": self._number})


class _Attached(AbstractContextManager[None]):
    """Attaches a program. A generator would show frames of contextlib in the errors of tests."""

    def __init__(self, attach: Callable[[], object], detach: Callable[[], object]) -> None:
        self._attach = attach
        self._detach = detach

    def __enter__(self) -> None:
        __tracebackhide__ = True
        self._attach()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        with suppress(HarnessError) if kind else nullcontext():  # after a crash, the crash is the error
            self._detach()
