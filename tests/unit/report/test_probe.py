"""The report of `probe`: no line is cropped, and equal reasons are merged."""

from __future__ import annotations

import io

from dynptr_harness.report.probe import Answer, ProbeReport
from rich.console import Console

KERNELS = (
    "5.10.0-40-cloud-amd64",
    "6.1.0-57-cloud-amd64",
    "6.12.118+deb13-cloud-amd64",
    "7.3.4+deb13-cloud-amd64",
)
SECTION = 'SEC("tracepoint/syscalls/sys_enter_mkdir")'


def shown(answers: list[Answer], *, with_log: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    console.print(ProbeReport(answers, with_log=with_log), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def refused(
    kernel: str, function: str, reason: str, prog_type: str = SECTION, by: str = "verifier"
) -> Answer:
    return Answer(kernel, function, prog_type, False, 22, reason, f"log of {reason}", by)


def test_the_matrix_is_not_cropped_in_a_narrow_pipe() -> None:
    functions = ("slice_after_submit_in_a_callback", "slice_after_submit_in_a_function")
    lines = shown([Answer(kernel, name, SECTION, True) for kernel in KERNELS for name in functions])
    assert lines[0].split() == ["program", "loaded", "as", *KERNELS]
    assert [line.split() for line in lines[1:]] == [[name, SECTION, *["accepted"] * 4] for name in functions]


def test_equal_reasons_of_programs_types_and_kernels_are_merged() -> None:
    answers = [refused(kernel, name, "why") for kernel in KERNELS[:2] for name in ("one", "two")]
    answers += [Answer(KERNELS[0], "three", "XDP", True), refused(KERNELS[1], "three", "why", "XDP")]
    answers += [refused(KERNELS[0], "four", "libbpf: no BTF", by="libbpf")]
    lines = shown(answers)
    assert lines[lines.index("") :] == [
        "",
        f"one, two as {SECTION} on {KERNELS[0]}, {KERNELS[1]}:",
        f"three as XDP on {KERNELS[1]}:",
        "verifier: why",
        "",
        f"four as {SECTION} on {KERNELS[0]}:",
        "libbpf: no BTF",
    ]


def test_reasons_that_differ_in_reference_ids_are_merged() -> None:
    answers = [refused(KERNELS[1], "one", "leak id=1 insn=6"), refused(KERNELS[2], "one", "leak id=2 insn=6")]
    lines = shown([*answers, refused(KERNELS[3], "one", "leak id=2 insn=7")])
    assert lines[lines.index("") :] == [
        "",
        f"one as {SECTION} on {KERNELS[1]}, {KERNELS[2]}:",
        "verifier: leak id=1 insn=6",
        "",
        f"one as {SECTION} on {KERNELS[3]}:",
        "verifier: leak id=2 insn=7",
    ]


def test_a_reason_of_many_types_names_the_first() -> None:
    lines = shown([refused(KERNELS[0], "one", "why", f"TYPE{number}") for number in range(9)])
    assert lines[-2] == f"one as TYPE0, TYPE1, TYPE2, TYPE3, TYPE4, TYPE5 and 3 more on {KERNELS[0]}:"


def test_the_log_replaces_the_reason() -> None:
    assert shown([refused(KERNELS[0], "one", "why")], with_log=True)[-1] == "verifier: log of why"


def test_programs_of_several_files_have_the_name_of_the_file() -> None:
    answers = [
        Answer(KERNELS[0], "f", "XDP", False, 22, "why", None, "verifier", file=name)
        for name in ("a.c", "b.c")
    ]
    lines = shown(answers)
    assert [line.split()[0] for line in lines[:3]] == ["file", "a.c", "b.c"]
    assert lines[-2] == f"a.c: f, b.c: f as XDP on {KERNELS[0]}:"
