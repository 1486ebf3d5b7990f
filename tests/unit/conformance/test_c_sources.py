"""C functions are found in any style of code."""

from __future__ import annotations

import pytest
from dynptr_harness.conformance.c_sources import Programs, functions_of
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.core.paths import bpf_src

from tests.unit.samples import sample_case

C = {
    "cases/file.c": """\
/* int commented_out(void *ctx) { } */
#include "dynptr_harness.h"

static int prototype(void *ctx);

/* AAA-001: forgotten. */
int aaa_001(void *ctx)
{
	if (ctx) {
		return 1;
	}
	return 0;
}

PROGRAM
int aaa_001_accepted(void *ctx)
{
	return called_only(ctx);
}

static inline u8 *pointer_of(struct bpf_dynptr *ptr,
	u64 (*of)(void *))
{
	return 0;
}

#define PAIR(NAME, ACTION) \\
	int NAME(void *ctx) \\
	{ \\
		ACTION; \\
	} \\
	int NAME##_accepted(void *ctx) \\
	{ \\
		return 0; \\
	}

/* AAA-002 and AAA-003: alike. */
PAIR(aaa_002, f(g(ctx)))
PAIR(aaa_003,
	f(ctx))
""",
    "elf/file.bpf.c": """\
SEC("raw_tp")
int BPF_PROG(aaa_004, struct task_struct *task)
{
	return 0;
}

SEC("?tc") __attribute__((noinline)) int
aaa_005(void *ctx)
{
	return 0;
}
""",
}


@pytest.mark.parametrize(
    ("name", "path", "begins", "ends"),
    [
        ("aaa_001", "cases/file.c", "/* AAA-001: forgotten. */\nint aaa_001(void *ctx)\n{", "\treturn 0;\n}"),
        ("aaa_001_accepted", "cases/file.c", "PROGRAM\nint aaa_001_accepted", "(ctx);\n}"),
        ("pointer_of", "cases/file.c", "static inline u8 *pointer_of", "\treturn 0;\n}"),
        ("aaa_002", "cases/file.c", "/* AAA-002 and AAA-003: alike. */\nPAIR(aaa_002", "f(g(ctx)))"),
        ("aaa_002_accepted", "cases/file.c", "/* AAA-002 and AAA-003: alike. */\nPAIR(aaa_002", "(ctx)))"),
        ("aaa_003", "cases/file.c", "/* AAA-002 and AAA-003: alike. */\nPAIR(aaa_003,", "\tf(ctx))"),
        ("aaa_004", "elf/file.bpf.c", 'SEC("raw_tp")\nint BPF_PROG(aaa_004', "}"),
        ("aaa_005", "elf/file.bpf.c", 'SEC("?tc")', "}"),
    ],
)
def test_a_function_is_found_with_its_text(name: str, path: str, begins: str, ends: str) -> None:
    function = Programs(C)[name]
    assert function.path == path
    assert function.text.startswith(begins)
    assert function.text.endswith(ends)
    assert function.text.count("\n}") <= 1


def test_a_macro_that_makes_functions_is_told() -> None:
    programs = Programs(C)
    assert programs["aaa_002"].macro.startswith("#define PAIR(NAME, ACTION)")
    assert programs["aaa_002"].macro.endswith("\t}")
    assert programs["aaa_001"].macro == ""


@pytest.mark.parametrize("name", ["commented_out", "prototype", "called_only", "aaa_00", "NAME", "if", ""])
def test_what_is_no_definition_is_no_function(name: str) -> None:
    assert name not in Programs(C)


def test_every_function_that_the_catalogue_is_about_is_found_in_its_own_file() -> None:
    folder = bpf_src()
    programs = Programs({str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.[ch]")})
    for case in CASES:
        for name in functions_of(case, PROG_TYPES):
            assert name in programs[name].text or name.removesuffix("_accepted") in programs[name].text


def test_a_case_is_about_the_functions_that_it_loads() -> None:
    assert functions_of(sample_case("AAA-001"), PROG_TYPES) == ("aaa_001", "aaa_001_accepted")
