"""Tests of `cases` and `cases show`: each sentence comes from the data of the case."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.c_sources import Programs
from dynptr_harness.conformance.case import Difference
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.experiments.base import Phases
from dynptr_harness.conformance.experiments.capabilities import Capabilities, LimitedProcess, WithSysctl
from dynptr_harness.conformance.experiments.maps import (
    Create,
    Element,
    Freeze,
    Info,
    MapCalls,
    Mmap,
    Mprotect,
)
from dynptr_harness.conformance.experiments.script import (
    Access,
    Consume,
    Event,
    Fill,
    NewRing,
    Peek,
    Poll,
    Reserve,
    Seek,
    Step,
    Wait,
    Watch,
    script,
)
from dynptr_harness.conformance.experiments.stress import Stress
from dynptr_harness.conformance.experiments.verifier import Verification, accepted, refused
from dynptr_harness.conformance.loader import load
from dynptr_harness.core.text import columns
from dynptr_harness.protocol.ring import BUSY, DISCARDED
from dynptr_harness.report.case_detail import CaseReport
from dynptr_harness.report.case_list import as_document, as_lines
from dynptr_harness.report.describe import describe, describe_act, errno
from rich.console import Console

from tests.unit.samples import sample_case, sample_type

if TYPE_CHECKING:
    from dynptr_harness.conformance.experiments.script import Act

TYPES = [sample_type(name) for name in ("KPROBE", "LSM", "SYSCALL", "TRACING", "SK_MSG")]
CODE = "/* AAA-001: what it does. */\nint aaa_001(void *ctx)\n{\n\treturn 0;\n}\n"
PROGRAMS = Programs({"cases/file.c": f"{CODE}\n{CODE.replace('aaa_001', 'aaa_001_accepted')}"})


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Step((Reserve(8, release_flags=2),)), "reserve 8 bytes -> granted; submit FORCE_WAKEUP"),
        (
            Step((Reserve(8, 1, 22, "discard"),), (Access("read", -22, 8), Access("slice", 0, 4, 1))),
            (
                "reserve 8 bytes flags 0x1, read 8 bytes at 0 -> -EINVAL; "
                "data slice of 4 bytes at 1 -> NULL; discard"
            ),
        ),
        (
            Step((Reserve(8), Reserve(9, errno=7)), (Access("size", 9, slot=1),), order="BAC"),
            (
                "A: reserve 8 bytes -> granted; B: reserve 9 bytes -> -E2BIG; B: bpf_dynptr_size -> 9; "
                "B: submit, A: submit"
            ),
        ),
        (
            Step((Reserve(8), Reserve(9)), (Access("query", 0, flags=7),)),
            "A: reserve 8 bytes, B: reserve 9 bytes -> granted; query 0x7 -> 0; A: submit, B: submit",
        ),
        (
            Step((Reserve(8, release_flags=4),), (Access("read", 0, 3, 1 << 32, 1, data=b"abc"),)),
            "reserve 8 bytes -> granted; read 3 bytes at 0x100000000 flags 0x1 -> 'abc'; submit flags 0x4",
        ),
    ],
)  # fmt: skip
def test_a_step_is_one_line(step: Step, words: str) -> None:
    assert describe_act(Event((step,))) == ["trigger the event; the program runs once:", f"  {words}"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (NewRing(8192), "create a ring of 8192 bytes"),
        (Peek((8, DISCARDED | 8, BUSY | 8)), "headers -> 0x8, 0x40000008 (discarded), 0x80000008 (busy)"),
        (Peek(()), "-> no record"),
        (Consume((b"text", 1, 8, 8, b"\xff\x00", b"")), "-> 'text', 1 byte, 2 times 8 bytes, ff00, 0 bytes"),
        (Consume(()), "-> no record"),
        (Seek(), "set the consumer position to the producer position"),
        (Seek(64), "64 bytes ahead of the producer position"),
        (Seek(-64), "64 bytes behind the producer position"),
        (Watch(edge=True), "edge-triggered epoll"),
        (Wait(woken=False), "-> not woken"),
        (Poll(readable=True), "-> readable, not writable"),
    ],
)
def test_an_act_is_one_line(act: Act, words: str) -> None:
    (line,) = describe_act(act)
    assert line.endswith(words)


def test_a_fill_is_a_line_below_its_event() -> None:
    filled = describe_act(Event(fill=Fill(Reserve(8), 640, 255, 22)))
    assert filled[1:] == ["  reserve 8 bytes, submit; 640 times -> 255 granted, then -EINVAL"]


@dataclass(frozen=True)
class Strange:
    """An action without a description."""

    how_often: int = 1
    data: bytes = b""
    inner: tuple[Seek, ...] = ()


def test_an_unknown_act_is_described_by_its_fields() -> None:
    told = describe_act(Strange(2, b"ab", (Seek(8),)))  # type: ignore[arg-type]
    assert told == ["strange: how often 2, data 'ab', inner [(seek: ahead 8)]"]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (Create(22, "odd", max_entries=4097), "create the map odd, max_entries 4097 -> -EINVAL"),
        (Create(map_flags=1 << 19), "create the map ring, map_flags 0x80000 -> success"),
        (
            Mmap(1, offset=4096, prot="rw"),
            "mmap 4096 bytes of the map ring at offset 4096, PROT_READ | PROT_WRITE, MAP_SHARED -> -EPERM",
        ),
        (Mprotect(13, prot="rw"), "mprotect the mapping, PROT_READ | PROT_WRITE -> -EACCES"),
        (Info(max_entries=8192), "get the info of the map ring -> type 27, max_entries 8192, map_flags 0x0"),
        (Info(9), "get the info of the map ring -> -EBADF"),
        (Element(524, op="next"), "get the next key of the map ring, key NULL -> -ENOTSUPP"),
        (
            Element(0, "outer", op="update", key=bytes(4), value="small"),
            "update an element of the map outer, key 00000000, value small -> success",
        ),
        (Freeze(None), "freeze -> no such map"),
    ],
)
def test_a_map_call_shows_its_arguments_and_errno(act: Act, words: str) -> None:
    assert describe(MapCalls((act,))) == [words]


def test_a_stress_run_shows_attempts_and_interruptions() -> None:
    assert [
        word
        for line in describe(Stress(1000, "kill", 3))
        for word in ("1000", "killed 3 times")
        if word in line
    ]


def test_a_script_starts_with_its_ring_and_ends_with_the_positions() -> None:
    assert describe(script(Watch(), ring_size=8192))[0] == "create a ring of 8192 bytes"
    lines = describe(script(NewRing(), Event((Step((Reserve(8),)),))))
    assert lines[0] == "create a ring of 4096 bytes"
    assert lines[-1].startswith("at each point -> ")


def test_only_the_tested_phase_has_an_expected_result() -> None:
    assert ["->" in line for line in describe(Phases("attached"))] == [False, True, False]


def test_a_verifier_program_shows_the_expected_answer() -> None:
    programs = (refused("aaa_001", 22, "Unreleased reference"), accepted("aaa_001_accepted"))
    assert describe(Verification(programs, "file")) == [
        "load aaa_001 -> rejected with -EINVAL, verifier log: Unreleased reference",
        "load aaa_001_accepted -> accepted",
    ]


def test_capabilities_are_one_line_for_each_process_and_program() -> None:
    holder = LimitedProcess(
        ("BPF",), (("KPROBE", refused("aaa_001", 1, "no")), ("LSM", accepted("aaa_002"))), 1
    )
    assert describe(Capabilities((holder,), 2)) == [
        "set kernel.unprivileged_bpf_disabled to 2",
        "a process with CAP_BPF creates a ring -> -EPERM",
        "  load aaa_001 as KPROBE -> rejected with -EPERM, verifier log: no",
        "  load aaa_002 as LSM -> accepted",
    ]


def test_sysctl_settings_come_before_the_steps() -> None:
    lines = describe(WithSysctl({"net.core.bpf_jit_enable": 0}, script(Watch())))
    assert lines == ["set net.core.bpf_jit_enable to 0 for the following", *describe(script(Watch()))]


@pytest.mark.parametrize(
    ("number", "name"), [(-22, "-EINVAL"), (-524, "-ENOTSUPP"), (-7, "-E2BIG"), (0, "0"), (16, "16")]
)
def test_errno_has_a_name(number: int, name: str) -> None:
    assert errno(number) == name


def test_every_case_has_a_description() -> None:
    for case in CASES:
        for experiment in (case.experiment, *(difference.experiment for difference in case.differences)):
            assert all(line.strip() for line in describe(experiment)), case.id


OLDER = Verification((accepted("aaa_001"), accepted("aaa_001_accepted")), "file")
CASE = sample_case(
    "AAA-001",
    title="a title",
    differences=(Difference(OLDER, "fixed in v6.19", before=(6, 19), since=(6, 12), defect=True),),
    loaders=("bcc", "libbpf"),
)


def shown(*, piped: bool = True) -> str:
    out = io.StringIO()
    colour = None if piped else "standard"
    console = Console(file=out, width=80, force_terminal=not piped, color_system=colour, highlight=False)  # type: ignore[arg-type]
    console.print(CaseReport(CASE, TYPES, PROGRAMS), soft_wrap=piped)
    return out.getvalue()


def test_cases_show_prints_everything() -> None:
    text = shown()
    for line in (
        "AAA-001  a title",
        "types   all 5",
        "loader  bcc, and libbpf in SYSCALL",
        "why     a file, a commit",
        "Steps -> expected result, on kernels since 5.19 except as below",
        "  load aaa_001 -> rejected with -EINVAL, verifier log: Unreleased reference",
        "  load aaa_001_accepted -> accepted",
        "Kernels since 6.12 and before 6.19 may differ, a known defect: fixed in v6.19",
        "  load aaa_001 -> accepted",
        "aaa_001, bpf_src/cases/file.c",
        "/* AAA-001: what it does. */",
        "int aaa_001(void *ctx)",
        "int aaa_001_accepted(void *ctx)",
    ):
        assert f"{line}\n" in text, line
    assert text.count("load aaa_001_accepted -> accepted") == 1
    assert "\x1b" not in text


def test_a_terminal_shows_highlighted_code() -> None:
    assert "\x1b[" in shown(piped=False).partition("cases/file.c")[2]


ROWS = [
    CASE,
    replace(CASE, id="AAA-002", types=("LSM",), loaders=("bcc",), title="long " * 20),
    replace(CASE, id="BBB-001", types=("KPROBE", "LSM", "SYSCALL", "TRACING")),
]


def test_cases_prints_one_line_for_each_case_and_wraps_titles() -> None:
    assert list(as_lines(ROWS, {"BBB-002": "no way"}, TYPES)) == [
        "ID       GROUP  TYPES   LOADERS     TITLE",
        "AAA-001  AAA    all     bcc libbpf  a title",
        f"AAA-002  AAA    LSM     bcc         {'long ' * 19}long",
        "BBB-001  BBB    4 of 5  bcc libbpf  a title",
        "",
        "Requirements without a case of their own:",
        "BBB-002  no way",
    ]
    narrow = list(as_lines(ROWS, {}, TYPES, 60))
    assert narrow[0] == "ID       TYPES   LOADERS     TITLE"
    assert max(map(len, narrow)) <= 60
    assert narrow[3].startswith(" " * 29 + "long")


def test_a_narrow_list_names_only_single_types() -> None:
    few = replace(CASE, types=("LSM", "KPROBE"))
    assert list(as_lines([few], {}, TYPES, 80))[1].split()[1:4] == ["2", "of", "5"]
    assert list(as_lines([few], {}, TYPES, 120))[1].split()[2:4] == ["KPROBE", "LSM"]


def test_no_case_of_the_catalogue_is_wider_than_80_columns() -> None:
    programs = load().programs
    for case in CASES:
        out = io.StringIO()
        report = CaseReport(case, PROG_TYPES, programs)
        Console(file=out, width=80, highlight=False).print(report)
        text = out.getvalue()
        assert max(map(len, text.splitlines())) <= 80, case.id
        words = {*case.title.split(), *case.source.split()}
        assert words <= set(text.split()), case.id


def test_cases_json_has_all_fields_but_the_program() -> None:
    made = as_document(ROWS, {"BBB-002": "no way"}, TYPES)
    assert made["cases"][0] == {
        "case": "AAA-001",
        "group": "AAA",
        "title": "a title",
        "prog_types": [prog_type.name for prog_type in TYPES],
        "loaders": ["bcc", "libbpf"],
        "source": "a file, a commit",
        "differences": [{"since": "6.12", "before": "6.19", "defect": True, "source": "fixed in v6.19"}],
    }
    assert made["exceptions"] == [{"case": "BBB-002", "reason": "no way"}]


def test_columns_are_aligned_and_an_empty_row_is_a_line() -> None:
    assert list(columns([("a", "b"), ("ccc", "")])) == ["a    b", "ccc"]
