"""The ELF objects: C programs that clang compiles on the host, for libbpf to load in the guest."""

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
FOLDERS = ("elf", "examples")  # of bpf_src
HEADERS = Path("/usr/include/bpf")
COMPILER = "compiler"  # the agent puts its content into its facts
COMPILE_DEADLINE = 120.0
VERSION_DEADLINE = 30.0

# Kernel headers are below the name of the host's architecture on Debian, where clang -target bpf does not
# look. Version 3 of the instruction set is known since Linux 5.1.
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
    """What the host's clang says of itself, e.g. 'Debian clang version 14.0.6'."""
    said = subprocesses.run(
        ["clang", "--version"], what="asking clang for its version", deadline=VERSION_DEADLINE
    )
    return said.splitlines()[0]


def compiled(bpf_src: Path, store: Cache) -> dict[str, Path]:
    """Compile every program of `FOLDERS` that is not in the cache.

    Returns:
        the objects by their names, e.g. 'steps.bpf.o', and a file that says what compiled them.

    Raises:
        EnvironmentFailed: clang or a header is missing, or a program is wrong.
    """
    sources = [path for folder in FOLDERS for path in sorted((bpf_src / folder).glob(f"*{SUFFIX}"))]
    folder = store.entry("objects", _key(bpf_src), lambda folder: _compile(sources, bpf_src, folder))
    return {path.name: path for path in sorted(folder.glob("[!.]*"))}


def _compile(sources: list[Path], bpf_src: Path, folder: Path) -> None:
    (folder / COMPILER).write_text(clang_version())
    for source in sources:
        target = folder / source.with_suffix(".o").name
        files = [f"-I{bpf_src / 'include'}", "-c", str(source), "-o", str(target)]
        subprocesses.run(
            ["clang", *FLAGS, *files], what=f"compiling {source.name}", deadline=COMPILE_DEADLINE
        )


def _key(bpf_src: Path) -> str:
    """Changes with clang, its flags, and every file that a program could include."""
    digest = hashlib.sha256("\n".join((clang_version(), *FLAGS)).encode())
    for path in _inputs(bpf_src):
        digest.update(f"{path}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:24]


def _inputs(bpf_src: Path) -> Iterator[Path]:
    for folder, pattern in ((bpf_src, "**/*.[ch]"), (HEADERS, "*.h")):
        yield from sorted(folder.glob(pattern))
