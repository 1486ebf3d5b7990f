"""What tests of people's own work with: a guest, and programs of theirs in it."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.commands.user_program import COMPILE_DEADLINE, CompileFailed, UserProgram
from dynptr_harness.conformance import plan
from dynptr_harness.conformance.judge import version_of
from dynptr_harness.conformance.prog_types import PROG_TYPES
from dynptr_harness.core.errors import HarnessError, WrongUsage
from dynptr_harness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dynptr_harness.commands.user_program import GivenSource
    from dynptr_harness.conformance.prog_types import Version
    from dynptr_harness.pytest_plugin.machine_session import MachineSession
    from dynptr_harness.vm.machine import Machine

DEADLINE = 60.0  # seconds for each request to the agent


class Refused(HarnessError):
    """The kernel did not load or attach a program.

    Attributes:
        errno: the kernel's.
        log: the verifier's whole log, where there is one.
    """

    def __init__(self, fact: str, errno: int, log: str = "") -> None:
        super().__init__(fact)
        self.errno = errno
        self.log = log

    def __str__(self) -> str:
        return f"{self.fact}\n{printable(self.log)}".rstrip()


@dataclass(frozen=True)
class Ran:
    """A command that ended in the guest."""

    status: int
    stdout: bytes
    stderr: bytes


class Guest:
    """A fresh machine of the kernel under test.

    Attributes:
        facts: what the agent measured of it: release, arch, bcc, libbpf and so on.
        console: the file with its whole console.
    """

    def __init__(self, bench: MachineSession, machine: Machine) -> None:
        self.facts: Mapping[str, Any] = machine.facts
        self.console = machine.console
        self._bench = bench
        self.machine = machine

    @property
    def version(self) -> Version:
        """(6, 12) of '6.12.117+deb13-cloud-amd64'."""
        return version_of(self.facts["release"])

    def run(self, *argv: str, stdin: bytes = b"", timeout: float = DEADLINE) -> Ran:
        """Run a command in the guest to its end; `timeout` in seconds.

        Raises:
            MachineFailed: the machine did not survive it, or the command took too long.
        """
        request = {"kind": "run", "argv": argv, "stdin": base64.b64encode(stdin).decode()}
        reply = self.ask(request, timeout)
        return Ran(reply["status"], *(base64.b64decode(reply[name]) for name in ("stdout", "stderr")))

    def ask(self, request: dict[str, Any], deadline: float = DEADLINE) -> dict[str, Any]:
        """Ask the agent; see harness/dynptr_harness/guest/__main__.py."""
        return self._bench.run(self.machine.ask(request, deadline))

    def given(self, source: UserProgram) -> GivenSource:
        """Have the agent take a C file."""
        return self._bench.run(source.give_to(self.machine))


class Bpf:
    """Loads C files of people's own into the guest.

    Args:
        folder: that relative paths begin at.
    """

    def __init__(self, guest: Guest, folder: Path) -> None:
        self._guest = guest
        self._folder = folder

    def load(self, path: Path | str, function: str | None = None, prog_type: str | None = None) -> Program:
        """Compile a file and load a program of it.

        Args:
            path: with SEC() in it clang compiles it on this machine, for libbpf; else BCC in the guest.
            function: the program; the only one, when it is not named.
            prog_type: the type, in any case of letters; as SEC() says, when it is not named.

        Raises:
            Refused: the verifier did not take it.
            WrongUsage: the file cannot be read, there is no such type, or none is named and no SEC() says it.
            AssertionError: clang does not take the file.
        """
        __tracebackhide__ = True  # what is wrong is in the message; a person's own line is shown
        source = UserProgram.read(self._folder / path)
        if not prog_type and source.loader == "bcc":
            raise WrongUsage(f"{source.path} has no SEC(): name a prog_type")
        try:
            given = self._guest.given(source)
        except CompileFailed as failed:
            raise AssertionError(f"{failed.fact}:\n{failed.diagnostics}") from None
        name = function or self._only(given, source)
        reply = self._guest.ask(given.request(name, prog_type and _known(prog_type)), COMPILE_DEADLINE)
        if refused := reply.get("refused"):
            raise Refused(f"the verifier refused {name}", refused["errno"], refused["log"])
        if "no_type" in reply:
            raise Refused(f"the kernel has no programs of type {prog_type}", 0)
        return Program(self._guest, name, reply["program"], fires=bool(prog_type))

    @staticmethod
    def _only(given: GivenSource, source: UserProgram) -> str:
        names = list(given.programs)
        if len(names) != 1:
            raise ValueError(f"{source.path} has the programs {', '.join(names) or 'none'}: name one")
        return names[0]


def _known(prog_type: str) -> str:
    """The name of a type that is given in any case of letters."""
    names = [each.name for each in PROG_TYPES]
    (name,) = plan.select(names, [prog_type], what="program type", command="types")
    return name


class Program:
    """A loaded program; it goes with the machine."""

    def __init__(self, guest: Guest, name: str, number: int, *, fires: bool) -> None:
        self.name = name
        self._fires = fires
        self._guest = guest
        self._number = number

    @contextmanager
    def attached(self) -> Iterator[None]:
        """It is attached within this context: to the event of its type, or as SEC() says.

        Raises:
            Refused: the kernel did not attach it.
        """
        __tracebackhide__ = True
        reply = self._do("attach")
        if failed := reply.get("attach_failed"):
            raise Refused(f"{self.name} is not attached: {failed['what']}", failed["errno"])
        try:
            yield
        finally:
            self._do("detach")

    def fire(self) -> Any:
        """Make the event of its type happen, once; what the event itself saw. See `dynptr-harness types`.

        Raises:
            WrongUsage: the program was loaded as its SEC() says, whose event is not known here.
        """
        if not self._fires:
            raise WrongUsage(f"the event of {self.name} is not known: make it happen with machine.run")
        return self._do("fire")["event"]

    def records(self, ring: str | None = None) -> list[bytes]:
        """What came since the last time from a ring buffer; the program's only one, when it is not named."""
        rings: dict[str, list[str]] = self._do("records")["records"]
        if ring is None and len(rings) != 1:
            raise ValueError(f"{self.name} uses the ring buffers {', '.join(rings) or 'none'}: name one")
        return [bytes.fromhex(record) for record in rings[ring or next(iter(rings))]]

    def _do(self, act: str) -> dict[str, Any]:
        return self._guest.ask({"kind": "own", "do": act, "program": self._number})
