"""The compilation of BPF objects, their cache, and compiler errors."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import paths
from dynptr_harness.core.cache import Cache
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.guest_image import bpf_objects

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """#include "elf_object.h"
#include "dynptr_harness.h"

PROGRAM
int program(void *ctx)
{
\treturn find_control() ? 1 : 0;
}
"""


@pytest.fixture
def bpf_src(tmp_path: Path) -> Path:
    """A bpf_src with one program and the real headers."""
    shutil.copytree(paths.bpf_src() / "include", tmp_path / "bpf_src/include")
    (tmp_path / "bpf_src/elf").mkdir()
    (tmp_path / "bpf_src/elf/one.bpf.c").write_text(PROGRAM)
    return tmp_path / "bpf_src"


def test_each_program_is_compiled_once(bpf_src: Path, tmp_path: Path) -> None:
    first = bpf_objects.compiled(bpf_src, Cache(tmp_path / "cache"))
    assert list(first) == ["compiler", "one.bpf.o"]
    assert first["one.bpf.o"].read_bytes()[:4] == b"\x7fELF"
    assert "clang" in first["compiler"].read_text()
    made = first["one.bpf.o"].stat()
    assert bpf_objects.compiled(bpf_src, Cache(tmp_path / "cache")) == first
    assert first["one.bpf.o"].stat() == made


@pytest.mark.parametrize("changed", ["elf/one.bpf.c", "include/dynptr_harness.h", "include/elf_object.h"])
def test_a_changed_program_or_header_is_compiled_again(bpf_src: Path, tmp_path: Path, changed: str) -> None:
    first = bpf_objects.compiled(bpf_src, Cache(tmp_path / "cache"))
    with (bpf_src / changed).open("a") as source:
        source.write("/* changed */\n")
    assert bpf_objects.compiled(bpf_src, Cache(tmp_path / "cache")) != first


def test_another_version_of_clang_compiles_again(
    bpf_src: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bpf_objects.compiled(bpf_src, Cache(tmp_path / "cache"))
    monkeypatch.setattr(bpf_objects, "clang_version", lambda: "clang version 99")
    second = bpf_objects.compiled(bpf_src, Cache(tmp_path / "cache"))
    assert second["compiler"].read_text() == "clang version 99"
    assert second != first


def test_compiler_errors_are_reported(bpf_src: Path, tmp_path: Path) -> None:
    (bpf_src / "elf/one.bpf.c").write_text(PROGRAM + "int wrong(void) { return nothing; }\n")
    with pytest.raises(EnvironmentFailed, match=r"(?s)compiling one\.bpf\.c failed.*nothing"):
        bpf_objects.compiled(bpf_src, Cache(tmp_path / "cache"))


@pytest.mark.parametrize("source", sorted(paths.bpf_src().glob("elf/*.bpf.c")), ids=lambda path: path.name)
def test_the_programs_compile_without_a_warning(source: Path) -> None:
    strict = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", f"-I{paths.bpf_src() / 'include'}"]
    subprocess.run(["clang", *bpf_objects.FLAGS, *strict, "-fsyntax-only", str(source)], check=True)
