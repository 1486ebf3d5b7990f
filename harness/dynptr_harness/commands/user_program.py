"""Users' files: C files for BCC or libbpf, and BPF objects."""

from __future__ import annotations

import base64
import gzip
import os
import re
import struct
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.core import shortage, subprocesses
from dynptr_harness.core.errors import EnvironmentFailed, HarnessError, WrongUsage
from dynptr_harness.core.paths import bpf_src
from dynptr_harness.core.refusal import Refusal, refusal
from dynptr_harness.guest_image import bpf_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.machine import Machine

STDIN = Path("-")
COMPILE_DEADLINE = 120.0  # seconds; BCC takes a few seconds in an emulated guest

HOST_HEADERS_NOTE = "note: compiled with the headers of this machine, not with those of dynptr-harness\n"

# Only libbpf loads programs by their sections. SEC() expands to the attribute.
_SECTION = re.compile(r"\b(?:section|__section__)\s*\(\s*\"")
_SEC = re.compile(r"^[^\n/]*\b(?:SEC|__section)\(", re.MULTILINE)
_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"\n]+)"', re.MULTILINE)

ELF_MAGIC = b"\x7fELF"
EM_BPF, ELFDATA2LSB = 247, 1  # elf.h
KCONFIG = b"\0.kconfig\0"  # section of the externs that libbpf looks up in the kernel configuration
LLVM_BITCODE = (b"BC\xc0\xde", b"\xde\xc0\x17\x0b")


class CompileFailed(WrongUsage):
    """Clang rejected the file. `diagnostics` has its messages."""

    def __init__(self, name: str, diagnostics: str) -> None:
        super().__init__(f"clang does not compile {name}", "fix the errors above")
        self.name = name
        self.diagnostics = diagnostics


class FileRefused(HarnessError):
    """libbpf or the kernel rejected the whole file."""

    def __init__(self, name: str, why: Refusal) -> None:
        super().__init__(f"{why.who} refused {name}: {why.reason}")
        self.why = why


@dataclass(frozen=True)
class UserProgram:
    """A file and its content for the agent.

    Attributes:
        path: path on the host; '-' for standard input.
        loader: 'libbpf' for an object or a C file with sections, otherwise 'bcc'.
        given: fields of the agent's request.
        diagnostics: warnings of clang on the host.
    """

    path: Path
    loader: str
    given: dict[str, Any] = field(repr=False)
    diagnostics: str = ""

    @property
    def name(self) -> str:
        """Name for messages."""
        return "<stdin>" if self.path == STDIN else str(self.path)

    @classmethod
    def read(cls, path: Path) -> UserProgram:
        """Read the file. Compile it if it is a C file for libbpf.

        Raises:
            WrongUsage: the file cannot be read, or is neither C nor a BPF object.
            CompileFailed: clang rejected the file.
            EnvironmentFailed: clang is missing.
        """
        try:
            content = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        except OSError as error:
            hint = "name a C file or a BPF object"
            raise WrongUsage(f"cannot read {path}: {error.strerror}", hint) from error
        if content.startswith(ELF_MAGIC):
            return cls(path, "libbpf", _given_object(_checked_object(path, content)))
        if content.startswith(LLVM_BITCODE) or b"\0" in content:
            hint = "name a C file, or compile with `clang -target bpf -c`"
            raise WrongUsage(f"{path} is neither C nor a BPF object", hint)
        with _Source(path, content) as source:
            if not source.names_sections():
                return cls(path, "bcc", _given_text(path, content))
            code, diagnostics = source.compiled()
            return cls(path, "libbpf", _given_object(code), diagnostics)

    async def give_to(self, machine: Machine, kernel: Kernel | None = None) -> GivenSource:
        """Send the file to the agent, which compiles it if it is for BCC.

        Args:
            kernel: kernel of the machine. libbpf may need its configuration.

        Raises:
            CompileFailed: clang in the guest rejected the file.
            FileRefused: libbpf rejected the object, or the kernel did not create a map of BCC.
            HarnessError: see `Machine.ask`.
        """
        request = {"kind": "own", "do": "compile", **self.given, **self._configuration_of(kernel)}
        reply = await machine.ask(request, COMPILE_DEADLINE)
        if "refused" in reply:
            raise FileRefused(self.name, refusal(reply["refused"]))
        if "file" not in reply:
            raise CompileFailed(self.name, reply["diagnostics"])
        return GivenSource(reply["file"], reply["programs"], self.diagnostics + reply["diagnostics"])

    def _configuration_of(self, kernel: Kernel | None) -> dict[str, str]:
        """Return the field with the kernel configuration. It is left out if the object does not need it."""
        config = kernel.image.with_name("config") if kernel else None
        reads_it = KCONFIG in base64.b64decode(self.given.get("object", ""))
        if not (config and reads_it and config.is_file()):
            return {}
        return {"kconfig": base64.b64encode(gzip.compress(config.read_bytes())).decode()}


@dataclass(frozen=True)
class GivenSource:
    """The file in the agent.

    Attributes:
        file: number of the file.
        programs: section of each function; '' without sections.
        diagnostics: warnings of clang.
    """

    file: int
    programs: dict[str, str]
    diagnostics: str

    def request(self, function: str, prog_type: str | None) -> dict[str, Any]:
        """Return the request that loads a function. If `prog_type` is None, its section names the type."""
        return {"kind": "own", "do": "load", "file": self.file, "function": function, "prog_type": prog_type}


def _given_object(code: bytes) -> dict[str, Any]:
    return {"object": base64.b64encode(code).decode()}


def _checked_object(path: Path, code: bytes) -> bytes:
    (machine,) = struct.unpack_from("<H" if code[5] == ELFDATA2LSB else ">H", code.ljust(20, b"\0"), 18)
    if machine != EM_BPF:
        raise WrongUsage(
            f"{path} is an object for another machine (e_machine {machine})", "compile it with -target bpf"
        )
    return code


def _given_text(path: Path, text: bytes) -> dict[str, Any]:
    """Return the fields for BCC: the unchanged text and the headers that it includes."""
    directory = _directory_of(path)
    headers = _headers(directory, text)
    root = Path(os.path.commonpath([directory, *(each.parent for each in headers)]))
    return {
        "name": "<stdin>" if path == STDIN else path.name,
        "text": base64.b64encode(text).decode(),
        "directory": str(directory.relative_to(root)),
        "headers": {
            str(each.relative_to(root)): base64.b64encode(content).decode()
            for each, content in headers.items()
        },
    }


def _directory_of(path: Path) -> Path:
    return Path.cwd() if path == STDIN else path.absolute().parent


def _headers(directory: Path, text: bytes) -> Mapping[Path, bytes]:
    """Return the files that a text includes with `#include "..."`, directly or through another file."""
    found: dict[Path, bytes] = {}
    waiting = [(directory, text)]
    while waiting:
        base, content = waiting.pop()
        for name in _INCLUDE.findall(content.decode("latin-1")):
            path = Path(os.path.normpath(base / name))
            if path not in found and path.is_file():
                found[path] = path.read_bytes()
                waiting.append((path.parent, found[path]))
    return found


class _Source:
    """A C file for clang on the host. A pipe is copied to a file, because clang reads it several times."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self._content = content
        self._directory = tempfile.TemporaryDirectory()
        self._file = path

    def __enter__(self) -> _Source:
        if not self._path.is_file():
            self._file = Path(self._directory.name) / "stdin.c"
            self._file.write_bytes(b'#line 1 "<stdin>"\n' + self._content)
        return self

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()

    def names_sections(self) -> bool:
        """Return True if the preprocessed file has functions or data in named sections."""
        try:
            preprocessed = self._clang(bpf_objects.USER_FLAGS, "-E", "-P", on_line=lambda _: None)
        except EnvironmentFailed:  # for example because a header is missing that only BCC has
            return bool(_SEC.search(self._content.decode("latin-1")))
        return bool(_SECTION.search(preprocessed))

    def compiled(self) -> tuple[bytes, str]:
        """Return the object and the diagnostics.

        If the file declares a type that our headers already have, compile it with the headers of the host.
        """
        try:
            return self._compiled(bpf_objects.USER_FLAGS)
        except CompileFailed as failed:
            try:
                code, diagnostics = self._compiled(bpf_objects.HOST_HEADERS_FLAGS)
            except CompileFailed:
                raise failed from None
            return code, diagnostics + HOST_HEADERS_NOTE

    def _compiled(self, flags: tuple[str, ...]) -> tuple[bytes, str]:
        target = Path(self._directory.name) / "own.bpf.o"
        said: list[str] = []
        try:
            self._clang(flags, "-c", "-o", str(target), on_line=said.append)
        except EnvironmentFailed as error:
            if not said or shortage.named_in(error.fact):  # clang did not run, or could not write
                raise
            raise CompileFailed("<stdin>" if self._path == STDIN else str(self._path), _text(said)) from error
        return target.read_bytes(), _text(said)

    def _clang(self, flags: tuple[str, ...], *arguments: str, on_line: Callable[[str], None]) -> str:
        argv = ["clang", *flags, *self._include(), *arguments, "-x", "c", str(self._file)]
        return subprocesses.run(
            argv, what=f"compiling {self._path}", deadline=bpf_objects.COMPILE_DEADLINE, on_line=on_line
        )

    def _include(self) -> Iterator[str]:
        yield f"-I{bpf_src() / 'include'}"
        if self._file != self._path:
            yield f"-iquote{_directory_of(self._path)}"


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
