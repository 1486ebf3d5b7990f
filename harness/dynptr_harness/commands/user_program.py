"""A C file of a person's own, as the agent takes it: as text for BCC, or compiled here to an object."""

from __future__ import annotations

import base64
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.core import subprocesses
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.paths import bpf_src
from dynptr_harness.guest_image import bpf_objects

if TYPE_CHECKING:
    from dynptr_harness.vm.machine import Machine

# What a program for libbpf has and one for BCC has not: each function says in which section it is.
_SECTION = re.compile(r"^[^\n/]*\bSEC\(", re.MULTILINE)
COMPILE_DEADLINE = 120.0  # seconds; BCC takes a few in an emulated guest


class CompileFailed(WrongUsage):
    """Clang did not take the file; its diagnostics are what a person wants to read."""

    def __init__(self, path: Path, diagnostics: str) -> None:
        super().__init__(f"clang does not compile {path}", "mend what it says above")
        self.diagnostics = diagnostics


@dataclass(frozen=True)
class UserProgram:
    """The file, and all that the agent must be given of it.

    Attributes:
        path: where a person has it.
        loader: 'libbpf' for a file with SEC(), which clang compiles here; 'bcc' for any other.
        given: the fields of the agent's request.
        diagnostics: what clang said though it took the file, here on the host.
    """

    path: Path
    loader: str
    given: dict[str, str]
    diagnostics: str = ""

    @classmethod
    def read(cls, path: Path) -> UserProgram:
        """Read the file and compile it, if that is done here.

        Raises:
            WrongUsage: it cannot be read; CompileFailed: clang does not take it.
            EnvironmentFailed: clang is missing.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise WrongUsage(f"cannot read {path}: {reason}", "name a C file") from error
        if not _SECTION.search(text):
            return cls(path, "bcc", {"name": path.name, "text": text})
        code, diagnostics = _object(path)
        return cls(path, "libbpf", {"object": base64.b64encode(code).decode()}, diagnostics)

    async def give_to(self, machine: Machine) -> GivenSource:
        """Have the agent take it.

        Raises:
            CompileFailed: it is BCC's to compile, and clang does not take it.
            HarnessError: as `Machine.ask`.
        """
        reply = await machine.ask({"kind": "own", "do": "compile", **self.given}, COMPILE_DEADLINE)
        if "file" not in reply:
            raise CompileFailed(self.path, reply["diagnostics"])
        return GivenSource(reply["file"], reply["programs"], self.diagnostics + reply["diagnostics"])


@dataclass(frozen=True)
class GivenSource:
    """The file as an agent has it.

    Attributes:
        file: its number there.
        programs: the functions that can be loaded, and the section of each; '' without.
        diagnostics: what clang said.
    """

    file: int
    programs: dict[str, str]
    diagnostics: str

    def request(self, function: str, prog_type: str | None) -> dict[str, Any]:
        """What the agent is asked, so that it loads a function; as its section says without a type."""
        return {"kind": "own", "do": "load", "file": self.file, "function": function, "prog_type": prog_type}


def _object(path: Path) -> tuple[bytes, str]:
    """The object that clang makes of a file, and what it says."""
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "own.bpf.o"
        argv = ["clang", *bpf_objects.FLAGS, f"-I{bpf_src() / 'include'}", "-c", str(path), "-o", str(target)]
        try:
            subprocesses.run(
                argv, what=f"compiling {path}", deadline=bpf_objects.COMPILE_DEADLINE, on_line=said.append
            )
        except EnvironmentFailed as error:
            if not said:  # it never ran
                raise
            raise CompileFailed(path, _text(said)) from error
        return target.read_bytes(), _text(said)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
