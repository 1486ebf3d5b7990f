"""A user's C file: text for BCC in the guest, or an object compiled here for libbpf."""

from __future__ import annotations

import base64
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.core import shortage, subprocesses
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.paths import bpf_src
from dynptr_harness.guest_image import bpf_objects

if TYPE_CHECKING:
    from dynptr_harness.vm.machine import Machine

# Only programs for libbpf name the section of each function.
_SECTION = re.compile(r"^[^\n/]*\bSEC\(", re.MULTILINE)
COMPILE_DEADLINE = 120.0  # seconds; BCC takes a few in an emulated guest


class CompileFailed(WrongUsage):
    """Clang rejected the file. `diagnostics` has its messages."""

    def __init__(self, path: Path, diagnostics: str) -> None:
        super().__init__(f"clang does not compile {path}", "fix the errors above")
        self.diagnostics = diagnostics


@dataclass(frozen=True)
class UserProgram:
    """The C file and its content for the agent.

    Attributes:
        path: path on the host.
        loader: 'libbpf' for a file with SEC(), which clang compiles here; otherwise 'bcc'.
        given: fields of the agent's request.
        diagnostics: warnings of clang on the host.
    """

    path: Path
    loader: str
    given: dict[str, str]
    diagnostics: str = ""

    @classmethod
    def read(cls, path: Path) -> UserProgram:
        """Read the file, and compile it if it is for libbpf.

        Raises:
            WrongUsage: the file cannot be read.
            CompileFailed: clang rejected the file.
            EnvironmentFailed: clang is missing.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise WrongUsage(f"cannot read {path}: {reason}", "name a C file") from error
        if not _SECTION.search(text):
            return cls(path, "bcc", {"name": path.name, "text": text})
        code, diagnostics = _object(path)
        return cls(path, "libbpf", {"object": base64.b64encode(code).decode()}, diagnostics)

    async def give_to(self, machine: Machine) -> GivenSource:
        """Send the file to the agent, which compiles it if it is for BCC.

        Raises:
            CompileFailed: clang in the guest rejected the file.
            HarnessError: as `Machine.ask`.
        """
        reply = await machine.ask({"kind": "own", "do": "compile", **self.given}, COMPILE_DEADLINE)
        if "file" not in reply:
            raise CompileFailed(self.path, reply["diagnostics"])
        return GivenSource(reply["file"], reply["programs"], self.diagnostics + reply["diagnostics"])


@dataclass(frozen=True)
class GivenSource:
    """The file in the agent.

    Attributes:
        file: number of the file.
        programs: section of each function; '' without SEC().
        diagnostics: warnings of clang.
    """

    file: int
    programs: dict[str, str]
    diagnostics: str

    def request(self, function: str, prog_type: str | None) -> dict[str, Any]:
        """Return the request that loads a function, as its section says if `prog_type` is None."""
        return {"kind": "own", "do": "load", "file": self.file, "function": function, "prog_type": prog_type}


def _object(path: Path) -> tuple[bytes, str]:
    """Compile a file and return the object and the diagnostics."""
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "own.bpf.o"
        argv = ["clang", *bpf_objects.FLAGS, f"-I{bpf_src() / 'include'}", "-c", str(path), "-o", str(target)]
        try:
            subprocesses.run(
                argv, what=f"compiling {path}", deadline=bpf_objects.COMPILE_DEADLINE, on_line=said.append
            )
        except EnvironmentFailed as error:
            if not said or shortage.named_in(error.fact):  # clang did not run, or could not write
                raise
            raise CompileFailed(path, _text(said)) from error
        return target.read_bytes(), _text(said)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
