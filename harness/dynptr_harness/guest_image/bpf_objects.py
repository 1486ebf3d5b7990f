"""BPF objects: C programs that clang compiles on the host and libbpf loads in the guest."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.core import subprocesses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.core.cache import Cache

SUFFIX = ".bpf.c"
DIRECTORIES = ("elf", "examples")  # below bpf_src
HEADERS = Path("/usr/include/bpf")
COMPILER = "compiler"  # file with the version of clang; the agent reports it in its facts
COMPILE_DEADLINE = 120.0
VERSION_DEADLINE = 30.0

# On Debian the kernel headers are in a directory of the host's architecture, where clang -target bpf does not
# look. Version 3 of the instruction set needs Linux 5.1.
FLAGS = (
    *("-O2", "-g", "-target", "bpf", "-mcpu=v3"),
    f"-idirafter/usr/include/{os.uname().machine}-linux-gnu",
)
# For users' programs. The headers are the same on every host; see bpf_headers/README.md. The macros of
# bpf_tracing.h need the architecture, which is that of the guest.
USER_HEADERS = Path(__file__).with_name("bpf_headers") / "include"
HOST_HEADERS_FLAGS = (*FLAGS, "-D__TARGET_ARCH_x86")
USER_FLAGS = (*HOST_HEADERS_FLAGS, "-isystem", str(USER_HEADERS))


@cache
def clang_version() -> str:
    """Return the version of the host's clang: 'Debian clang version 14.0.6'."""
    output = subprocesses.run(
        ["clang", "--version"], what="reading the version of clang", deadline=VERSION_DEADLINE
    )
    return output.splitlines()[0]


def compiled(bpf_src: Path, store: Cache) -> dict[str, Path]:
    """Compile the programs of `DIRECTORIES` if they are not in the cache.

    Returns:
        The objects by name, such as 'steps.bpf.o', and the file `COMPILER`.

    Raises:
        EnvironmentFailed: clang or a header is missing, or a program does not compile.
    """
    sources = [path for directory in DIRECTORIES for path in sorted((bpf_src / directory).glob(f"*{SUFFIX}"))]
    directory = store.entry("objects", _key(bpf_src), lambda directory: _compile(sources, bpf_src, directory))
    return {path.name: path for path in sorted(directory.glob("[!.]*"))}


def _compile(sources: list[Path], bpf_src: Path, directory: Path) -> None:
    (directory / COMPILER).write_text(clang_version())
    for source in sources:
        target = directory / source.with_suffix(".o").name
        files = [f"-I{bpf_src / 'include'}", "-c", str(source), "-o", str(target)]
        subprocesses.run(
            ["clang", *FLAGS, *files], what=f"compiling {source.name}", deadline=COMPILE_DEADLINE
        )


def _key(bpf_src: Path) -> str:
    """Return a hash of clang's version and flags, and of all files that a program could include."""
    digest = hashlib.sha256("\n".join((clang_version(), *FLAGS)).encode())
    for path in _inputs(bpf_src):
        digest.update(f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:24]


def _inputs(bpf_src: Path) -> Iterator[Path]:
    for directory, pattern in ((bpf_src, "**/*.[ch]"), (HEADERS, "*.h")):
        yield from sorted(directory.glob(pattern))
