"""The files that `probe` and `bpf.load` accept, and their compilers."""

from __future__ import annotations

import base64
import io
import struct
import sys
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.commands import user_program
from dynptr_harness.commands.user_program import STDIN, CompileFailed, UserProgram
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.guest_image import bpf_objects

if TYPE_CHECKING:
    from pathlib import Path

INCLUDES = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n"
PROGRAM = f'{INCLUDES}SEC("xdp") int drop(void *ctx) {{ return 1; }}\n'
BCC = "int drop(void *ctx) { return 1; }\n"


def is_bpf_object(source: UserProgram) -> bool:
    code = base64.b64decode(source.given["object"])
    return code.startswith(user_program.ELF_MAGIC) and struct.unpack_from("<H", code, 18) == (247,)


@pytest.mark.parametrize("name", ["prog.c", "prog.bpf.h", "prog.ebpf", "prog", "prog.txt"])
def test_a_file_can_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(PROGRAM)
    assert is_bpf_object(UserProgram.read(path))


@pytest.mark.parametrize(
    "text",
    [
        '#include "part.h"\n',
        '__attribute__((section("xdp"), used)) int drop(void *ctx) { return 1; }\n',
        '#define __section(x) __attribute__((section(x), used))\n__section("xdp") int drop() { return 1; }',
        f'{INCLUDES}#define PROGRAM(name) SEC("xdp") int name(void *ctx)\nPROGRAM(drop) {{ return 1; }}\n',
    ],
    ids=["in a header", "attribute", "macro of iproute2", "macro of the user"],
)
def test_sections_are_found_in_macros_and_headers(tmp_path: Path, text: str) -> None:
    (tmp_path / "part.h").write_text(PROGRAM)
    path = tmp_path / "prog.c"
    path.write_text(text)
    source = UserProgram.read(path)
    assert source.loader == "libbpf"
    assert is_bpf_object(source)


def test_standard_input_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part.h").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'#include "part.h"\n')))
    assert is_bpf_object(UserProgram.read(STDIN))


def test_an_error_in_standard_input_is_at_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{PROGRAM}int x = y;\n".encode())))
    with pytest.raises(CompileFailed) as failed:
        UserProgram.read(STDIN)
    assert "<stdin>:4:9: error: use of undeclared identifier 'y'" in failed.value.diagnostics
    assert failed.value.fact == "clang does not compile <stdin>"


def test_a_compiled_object_is_sent_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "prog.c"
    path.write_text(PROGRAM)
    given = UserProgram.read(path).given
    compiled = tmp_path / "prog.o"
    compiled.write_bytes(base64.b64decode(given["object"]))
    source = UserProgram.read(compiled)
    assert (source.loader, source.given) == ("libbpf", given)


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"BC\xc0\xde1234", "is neither C nor a BPF object"),
        (b"text\0", "is neither C nor a BPF object"),
        (
            b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 1, 62),
            "is an object for another machine (e_machine 62)",
        ),
        (b"\x7fELF\2\1", "is an object for another machine (e_machine 0)"),
    ],
    ids=["bitcode", "binary", "x86", "truncated"],
)
def test_other_files_are_rejected_with_a_hint(tmp_path: Path, content: bytes, fact: str) -> None:
    path = tmp_path / "prog.o"
    path.write_bytes(content)
    with pytest.raises(WrongUsage) as wrong:
        UserProgram.read(path)
    assert fact in wrong.value.fact
    assert "-target bpf" in wrong.value.hint


def test_a_text_in_latin_1_reaches_both_compilers_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "prog.c"
    path.write_bytes("/* Hélène */\n".encode("latin-1") + PROGRAM.encode())
    assert is_bpf_object(UserProgram.read(path))
    text = "/* Hélène */\n".encode("latin-1") + BCC.encode()
    path.write_bytes(text)
    assert base64.b64decode(UserProgram.read(path).given["text"]) == text


def test_a_text_for_bcc_is_sent_with_its_headers(tmp_path: Path) -> None:
    for name, text in {
        "src/prog.c": f'#include "a.h"\n# include "../common/b.h"\n#include "missing.h"\n{BCC}',
        "src/a.h": '#include "deep/c.h"\n',
        "src/deep/c.h": "\n",
        "src/unused.h": "\n",
        "common/b.h": "#define B\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    given = UserProgram.read(tmp_path / "src/prog.c").given
    assert set(given["headers"]) == {"src/a.h", "src/deep/c.h", "common/b.h"}
    assert given["directory"] == "src"
    assert base64.b64decode(given["headers"]["common/b.h"]) == b"#define B\n"


TRACING = """\
#include <linux/ptrace.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
SEC("kprobe/vfs_write") int BPF_KPROBE(on_write, void *file) { return !file; }
"""
ITERATOR = f"""\
{INCLUDES}
SEC("xdp") int loop(void *ctx)
{{
	int i, sum = 0;

	bpf_for(i, 0, 10)
		sum += bpf_get_prandom_u32();
	return sum & 1;
}}
"""
OLD_HEADERS = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct bpf_iter_num { __u64 opaque[1]; };
SEC("xdp") int drop(void *ctx) { return sizeof(struct bpf_iter_num) == 8; }
"""


@pytest.mark.parametrize("text", [TRACING, ITERATOR], ids=["tracing macros", "iterators"])
def test_headers_have_the_architecture_and_iterators(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prog.c"
    path.write_text(text)
    source = UserProgram.read(path)
    assert source.diagnostics == ""
    assert is_bpf_object(source)


def test_a_file_for_older_headers_is_compiled_with_those_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = tmp_path / "older"
    (older / "linux").mkdir(parents=True)
    (older / "bpf").mkdir()
    (older / "linux/bpf.h").write_text("typedef unsigned long long __u64;\n")
    (older / "bpf/bpf_helpers.h").write_text("#define SEC(x) __attribute__((section(x), used))\n")
    flags = ("-target", "bpf", "-nostdinc", "-isystem", str(older))
    monkeypatch.setattr(bpf_objects, "HOST_HEADERS_FLAGS", flags)
    path = tmp_path / "prog.c"
    path.write_text(OLD_HEADERS)
    source = UserProgram.read(path)
    assert is_bpf_object(source)
    assert source.diagnostics == user_program.HOST_HEADERS_NOTE
