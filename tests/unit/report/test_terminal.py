"""The report on a terminal, at every width, with and without colour."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.catalogue import CASES
from dynptr_harness.conformance.groups import GROUPS, group_of
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.text import console_part, printable, tail
from dynptr_harness.report.terminal import TerminalReport
from rich.console import Console

from tests.unit.samples import HEADS, RELEASE, TYPES, Head, cell, full, kernel_run, result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.report.matrix import CaseHead
    from dynptr_harness.results.model import RunResult

    Cases = Sequence[CaseHead]

FAILED = cell("LSM", "RSV-006", verdict=Verdict.FAIL, ok=False, expected="reserve: -22", seen="reserve: 0")
LETTERS = ("RSV", "CMT", "WKP", "VER", "DYN", "KFN", "MAP", "QRY")
MANY = [Head(f"{group}-{number:03}", "a case") for group in LETTERS for number in range(1, 51)]
FEW = HEADS[:3]


def shown(
    made: RunResult,
    width: int = 120,
    *,
    colour: bool = False,
    cases: Cases = HEADS,
    brief: bool = False,
    piped: bool = False,
) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    console.print(TerminalReport(made, cases, brief=brief), soft_wrap=piped)
    return out.getvalue()


def row(text: str, prog_type: str) -> list[str]:
    """Return the first matrix row of a type, split into words."""
    found = re.search(rf"^{prog_type} .*$", text, re.MULTILINE)
    assert found, text
    return found.group(0).split()


def replaced(*changed: CellResult, cases: Cases = HEADS) -> RunResult:
    """Return passed cells of all other cases, and these."""
    new = {(each.prog_type, each.case): each for each in changed}
    return result([new.get((each.prog_type, each.case), each) for each in full(cases)])


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("cases", [FEW, HEADS, MANY, CASES], ids=["few", "some", "many", "catalogue"])
def test_the_report_fits_the_terminal_with_all_types(width: int, colour: bool, cases: Cases) -> None:
    wrong = cell("LSM", cases[1].id, verdict=Verdict.FAIL, ok=False, seen="x" * 300, log="y" * 300)
    text = shown(replaced(wrong, cases=cases), width, colour=colour, cases=cases)
    plain = printable(text)
    assert max(map(len, plain.splitlines())) <= width
    for prog_type in TYPES:
        assert len(row(plain, prog_type)) > 2
    assert f"{len(TYPES) * len(cases)} cells planned" in " ".join(plain.split())
    assert ("\x1b[" in text) is colour


def test_piped_text_has_no_control_characters() -> None:
    crash = cell(
        "LSM", "RSV-006", verdict=Verdict.CRASH, ok=False, console="\x1b[31mBUG\x07\rnext\x1b[0m [bold]"
    )
    text = shown(replaced(crash))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert "[bold]" in text


@pytest.mark.parametrize(
    ("width", "cases", "passed", "failed"),
    [
        (200, FEW, ["pass", "0.12"], ["FAIL", "0.12"]),
        (60, FEW, ["pass"], ["FAIL"]),
        (120, HEADS, ["pass"], ["FAIL"]),
        (80, HEADS, ["ok"], ["NO"]),
        (120, MANY, ["50/50"], ["49/50"]),
    ],
)
def test_cells_use_the_available_width(
    width: int, cases: Cases, passed: list[str], failed: list[str]
) -> None:
    wrong = cell("LSM", cases[0].id, verdict=Verdict.FAIL, ok=False)
    text = shown(replaced(wrong, cases=cases), width, cases=cases)
    count = 8 if cases is MANY else len(cases)
    assert row(text, "KPROBE")[: len(passed) + 1] == ["KPROBE", *passed]
    assert row(text, "LSM")[: len(failed) + 1] == ["LSM", *failed]
    assert len(row(text, "KPROBE")) == 1 + count * len(passed) + 2


def test_a_wide_matrix_is_divided() -> None:
    text = shown(result(full(MANY)), 60, cases=MANY)
    assert len(re.findall(r"^LSM ", text, re.MULTILINE)) == 2
    assert all(f" {group} " in text for group in ("RSV", "CMT", "QRY"))


def test_columns_move_closer_before_a_matrix_is_divided() -> None:
    widths = [
        max(map(len, re.findall("^LSM .*$", shown(result(full(MANY)), width, cases=MANY), re.MULTILINE)))
        for width in (120, 80)
    ]
    assert widths[1] == widths[0] - len(LETTERS) - 1
    assert len(re.findall("^LSM ", shown(result(full(MANY)), 80, cases=MANY), re.MULTILINE)) == 1


def test_a_divided_matrix_leaves_out_rows_without_a_cell() -> None:
    lonely = [each for each in full(MANY) if each.prog_type != "LSM" or each.case.startswith("QRY")]
    text = shown(result(lonely), 60, cases=MANY)
    assert row(text, "LSM")[:2] == ["LSM", "."]
    assert len(re.findall(r"^LSM ", text, re.MULTILINE)) == 1
    assert len(re.findall(r"^KPROBE ", text, re.MULTILINE)) == 2


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_word_of_the_matrix_is_broken_or_cut(width: int) -> None:
    absent = [cell(name, "RSV-001", verdict=Verdict.ABSENT, reason="no helper") for name in TYPES]
    text = shown(replaced(*absent, cases=CASES), width, cases=CASES)
    words = set(text.split())
    assert {"program", "type", *TYPES, *(group_of(case.id) for case in CASES)} <= words
    for meaning in GROUPS.values():
        assert set(meaning.split()) <= words
    assert "…" not in text


def test_a_group_is_one_column() -> None:
    mixed = [Head(f"{group}-{number:03}", "t") for number in range(1, 60) for group in ("AAA", "BBB")]
    assert row(shown(result(full(mixed)), 80, cases=mixed), "LSM")[1:3] == ["59/59", "59/59"]


def test_the_legend_explains_every_column() -> None:
    for width in (80, 120, 200):
        text = " ".join(shown(result(full()), width).split())
        for case in HEADS:
            assert f"{case.id} {case.title}" in text
    text = shown(result(full(CASES)), cases=CASES)
    for group in dict.fromkeys(group_of(case.id) for case in CASES):
        count = sum(group_of(case.id) == group for case in CASES)
        assert re.search(rf"^{group} +{count} cases: {re.escape(GROUPS[group])}$", text, re.MULTILINE)


OUTCOMES = [
    ([Verdict.PASS] * 3, "3/3"),
    ([Verdict.EXPECTED_DIFFERENCE, Verdict.PASS, Verdict.KNOWN_DEFECT], "3/3kd"),
    ([Verdict.ABSENT, Verdict.PASS, Verdict.PASS], "3/3a"),
    ([Verdict.ABSENT] * 3, "absent"),
    ([Verdict.ABSENT, Verdict.ABSENT, Verdict.FAIL], "2/3a"),
    ([Verdict.FAIL, Verdict.NOT_RUN, Verdict.KNOWN_DEFECT], "1/3k"),
]


@pytest.mark.parametrize(("verdicts", "count"), OUTCOMES, ids=[count for _verdicts, count in OUTCOMES])
def test_a_count_has_marks_for_other_verdicts_than_pass(verdicts: list[Verdict], count: str) -> None:
    new = [
        cell("LSM", f"CMT-00{number}", verdict=verdict, ok=verdict not in (Verdict.FAIL, Verdict.NOT_RUN))
        for number, verdict in enumerate(verdicts, 1)
    ]
    heads = [*MANY, *(Head(each.case, "t") for each in new)]
    others = [each for each in full(MANY) if (each.prog_type, each.case[:3]) != ("LSM", "CMT")]
    text = shown(result([*others, *new]), cases=heads)
    assert row(text, "LSM")[2] == count
    for sign in set(count) & set("kda") if count != "absent" else ():
        assert re.search(rf"{sign} = (known-defect|expected-difference|absent)", text)


@pytest.mark.parametrize(
    ("width", "cases", "sign"), [(200, FEW, "absent"), (80, HEADS, "ab"), (120, MANY, "50/50a")]
)
def test_an_absence_does_not_look_like_a_pass(width: int, cases: Cases, sign: str) -> None:
    absent = [cell("LSM", head.id, verdict=Verdict.ABSENT, reason="no helper") for head in cases[:1]]
    assert row(shown(replaced(*absent, cases=cases), width, cases=cases), "LSM")[1] == sign


def test_an_unexpected_absence_is_a_failure() -> None:
    text = shown(replaced(cell("LSM", "RSV-003", verdict=Verdict.ABSENT, ok=False)), 200)
    assert "ABSENT RSV-003 in LSM" in text
    assert "known defects" not in text


@pytest.mark.parametrize("order", [1, -1])
def test_loaders_share_a_column_with_the_worst_verdict(order: int) -> None:
    libbpf = [cell("SYSCALL", head.id, loader="libbpf") for head in FEW]
    libbpf[0] = cell("SYSCALL", FEW[0].id, loader="libbpf", verdict=Verdict.FAIL, ok=False)
    text = shown(result([*full(FEW), *libbpf][::order]), 60, cases=FEW)
    assert row(text, "SYSCALL")[1:4] == ["FAIL", "pass", "pass"]
    assert row(text, "SYSCALL")[4] == "0.7"
    assert f"FAIL {FEW[0].id} in SYSCALL, by libbpf: " in text
    many = shown(result([*full(MANY), *libbpf][::order]), cases=MANY)
    assert row(many, "SYSCALL")[1] == "49/50"


def test_unexpected_verdicts_are_in_capitals() -> None:
    for verdict in Verdict:
        good, bad = (
            cell("LSM", FEW[0].id, verdict=verdict),
            cell("TRACING", FEW[0].id, verdict=verdict, ok=False),
        )
        text = shown(replaced(good, bad, cases=FEW), 200)
        sign = row(text, "LSM")[1]
        assert row(text, "TRACING")[1] == sign.upper()
        assert sign == verdict or f"{sign} = {verdict}" in text


def test_an_inapplicable_case_is_a_dot() -> None:
    cells = [each for each in full(FEW) if (each.prog_type, each.case) != ("LSM", FEW[1].id)]
    assert row(shown(result(cells), 60), "LSM")[1:4] == ["pass", ".", "pass"]


def test_a_failure_is_shown_with_log_and_console() -> None:
    log = "\n".join(f"{number}: insn" for number in range(40)) + "\nUnreleased reference id=2"
    text = shown(replaced(cell(
        "LSM", "RSV-006", verdict=Verdict.FAIL, ok=False, expected="reserve: -22", seen="reserve: 0",
        log=log, console="one\nKernel panic",
    )))  # fmt: skip
    for line in (
        "FAIL RSV-006 in LSM: what 6 says",
        "expected:  reserve: -22",
        "seen:      reserve: 0",
        "... 26 lines before",
        "Unreleased reference id=2",
        "Kernel panic",
        "whole console:  /runs/1/console.txt",
    ):
        assert line in text
    assert "0: insn\n" not in text.replace("30: insn\n", "")


def test_only_the_first_consoles_are_named() -> None:
    kernel = kernel_run(consoles=tuple(f"/runs/1/{number}/console.txt" for number in range(8)))
    text = shown(result([cell(verdict=Verdict.FAIL, ok=False)], [kernel]))
    assert "/runs/1/4/console.txt" in text
    assert "/runs/1/5/console.txt" not in text
    assert "and 3 more in the same directory" in text


def test_equal_failures_of_several_types_are_shown_once() -> None:
    wrong = [cell(name, "RSV-006", verdict=Verdict.FAIL, ok=False, seen="reserve: 0") for name in TYPES]
    assert "FAIL RSV-006 in all 11 types: what 6 says" in shown(replaced(*wrong), 200)
    text = shown(replaced(*wrong[:2], replace(wrong[2], seen="reserve: 1")), 200)
    assert f"FAIL RSV-006 in {TYPES[0]}, {TYPES[1]}: what 6 says" in text
    assert f"FAIL RSV-006 in {TYPES[2]}: what 6 says" in text


def test_missing_answers_with_one_reason_are_shown_once() -> None:
    lost = [cell("LSM", head.id, verdict=Verdict.LOST, ok=False, seen="no module") for head in HEADS[:3]]
    other = cell("SYSCALL", HEADS[3].id, verdict=Verdict.LOST, ok=False, seen="another reason", log="a trace")
    text = shown(replaced(*lost, other), 200)
    assert f"LOST 3 cells of RSV-001, RSV-002, RSV-003 ({RELEASE}, bcc)" in text
    assert text.count("no module") == 1
    assert "LOST RSV-004 in SYSCALL: what 4 says" in text


def test_failures_and_notes_are_in_catalogue_order() -> None:
    wrong = [
        cell("LSM", head.id, verdict=Verdict.FAIL, ok=False, seen=f"reserve: {head.id}")
        for head in HEADS[3::-1]
    ]
    defects = [cell("LSM", head.id, verdict=Verdict.KNOWN_DEFECT, reason=DEFECT) for head in HEADS[7:3:-1]]
    text = shown(result([*wrong, *defects]), 200)
    assert re.findall(r"^FAIL (\S+)", text, re.MULTILINE) == [head.id for head in HEADS[:4]]
    assert re.findall(r"^known-defect +(\S+)", text, re.MULTILINE) == [head.id for head in HEADS[4:8]]


def test_many_failures_are_cut() -> None:
    cells = [cell(each.prog_type, each.case, verdict=Verdict.FAIL, ok=False) for each in full(MANY[:60])]
    text = shown(result(cells), cases=MANY[:60])
    assert text.count("    expected: ") == 25
    assert f"and {35 * len(TYPES)} more cells not as expected" in text
    assert all(head.id in text for head in MANY[:60])


DEFECT = "slices outlive the submit; mended in v6.19, commit 0123456789ab"


def test_expected_deviations_are_notes() -> None:
    defects = [cell(name, "RSV-003", verdict=Verdict.KNOWN_DEFECT, reason=DEFECT) for name in TYPES]
    differs = cell("LSM", "RSV-002", verdict=Verdict.EXPECTED_DIFFERENCE, reason="since v6.4")
    absent = [cell("LSM", f"RSV-00{number}", verdict=Verdict.ABSENT, reason="no kfunc") for number in (4, 5)]
    made = replaced(*defects, differs, *absent)
    lines = shown(made, 60, piped=True).splitlines()
    first = lines.index(f"Linux {RELEASE}: known defects, documented differences, absences (no failures)")
    assert [re.sub(" +", " ", line) for line in lines[first + 1 : first + 5]] == [
        f"known-defect RSV-003 what 3 says (in all 11 types): {DEFECT}",
        "expected-difference RSV-002 what 2 says (in LSM): since v6.4",
        "absent RSV-004, RSV-005 in LSM: no kfunc",
        "",
    ]
    assert "expected:" not in "\n".join(lines)
    assert "known defects" not in shown(made, brief=True)


def test_a_note_names_no_type_if_there_is_only_one() -> None:
    both = [cell("LSM", "VER-001", loader=loader) for loader in ("bcc", "libbpf")]
    known = {"verdict": Verdict.KNOWN_DEFECT, "reason": DEFECT}
    heads = [*HEADS, Head("VER-001", "what it says")]
    each = [replace(one, **known) for one in both]  # type: ignore[arg-type]
    assert f"VER-001  what it says: {DEFECT}" in shown(result([*full(), *each]), 200, cases=heads)
    one_loader = shown(result([*full(), each[0], both[1]]), 200, cases=heads)
    assert f"VER-001  what it says (in LSM, by bcc): {DEFECT}" in one_loader


def test_an_absent_group_is_one_line() -> None:
    cells = [cell(each.prog_type, each.case, verdict=Verdict.ABSENT, reason="none") for each in full(MANY)]
    lines = shown(result(cells), cases=MANY, piped=True).splitlines()
    groups = ", ".join(f"{group} (50 cases)" for group in LETTERS)
    assert f"absent  {groups}  in all 11 types: none" in lines
    assert sum(line.startswith("absent") for line in lines) == 1


def test_piped_lines_are_not_wrapped() -> None:
    seen, line = "seen " * 50, "an instruction " * 30
    wrong = cell(
        "LSM", "RSV-006", verdict=Verdict.FAIL, ok=False, expected="e" * 200, seen=seen, log=f"{line}\n{line}"
    )
    made = replaced(wrong, cell("LSM", "RSV-007", verdict=Verdict.KNOWN_DEFECT, reason="reason " * 40))
    text = shown(made, 80, piped=True)
    lines = text.splitlines()
    for whole in (f"expected:  {'e' * 200}", f"seen:      {seen.strip()}", line.strip(), "reason " * 39):
        assert whole in text
    assert all(each == each.rstrip() for each in lines)
    assert any(each.startswith(f"Linux {RELEASE} (x86_64, ") and each.endswith(")") for each in lines)
    assert max(len(each) for each in lines if re.match("program type|[A-Z_]+ +ok", each)) <= 80


def test_cells_not_run_share_one_line() -> None:
    cells = [cell(each.prog_type, each.case, verdict=Verdict.NOT_RUN, ok=False) for each in full()]
    never = kernel_run(
        accelerator=None,
        guest={},
        stopped="the guest did not boot: no word from the agent",
        last_console="a\nVFS: no root",
    )
    text = shown(result(cells, [never]), 200)
    assert f"{len(cells)} cells not run: the guest did not boot: no word from the agent" in text
    assert "VFS: no root" in text
    assert "/runs/1/console.txt" in text
    assert "program type" not in text
    assert "expected:" not in text


def test_each_kernel_has_a_matrix_with_the_same_columns() -> None:
    other = "7.3.4+deb14-cloud-amd64"
    cells = [*full(FEW), *(cell(each.prog_type, each.case, kernel=other) for each in full(FEW))]
    text = shown(result(cells, [kernel_run(), kernel_run(release=other)]))
    headings = re.findall(r"^program type .*$", text, re.MULTILINE)
    assert len(headings) == 2
    assert len(set(headings)) == 1
    assert text.index(f"Linux {RELEASE}") < text.index(f"Linux {other}")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (result(full(FEW)), "33 cells planned, 33 run, 0 not run: 33 as expected, 0 not (33 pass) in 33.2 s"),
        (
            result([cell(), FAILED]),
            "2 cells planned, 2 run, 0 not run: 1 as expected, 1 not (1 pass, 1 fail)",
        ),
        (
            result([cell(), cell("LSM", verdict=Verdict.NOT_RUN, ok=False)], ended="interrupted by SIGINT"),
            "interrupted by SIGINT: 2 cells planned, 1 run, 1 not run: 1 as expected, 1 not (1 pass, 1 not-r",
        ),
    ],
)
def test_the_last_line_is_a_summary(made: RunResult, words: str) -> None:
    assert shown(made, 200).splitlines()[-1].startswith(words)


def test_the_brief_report_has_only_failures_and_summary() -> None:
    assert len(shown(result(full()), brief=True).splitlines()) == 1
    text = shown(replaced(FAILED), brief=True)
    assert "FAIL RSV-006 in LSM" in text
    assert "program type" not in text


def test_a_large_matrix_is_fast() -> None:
    releases = [f"6.{number}.1" for number in range(11)]
    cells = [cell(t, c.id, kernel=release) for release in releases for t in TYPES for c in MANY]
    text = shown(result(cells, [kernel_run(release=release) for release in releases]), cases=MANY)
    assert text.count("Linux 6.") == 11


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title", "0;title"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("nul\x00 \x7f \udcff \ufffe", "nul? ? ? ?"),
        ("schön ☂", "schön ☂"),
    ],
)
def test_guest_text_becomes_printable(raw: str, clean: str) -> None:
    assert printable(raw) == clean


def test_a_tail_counts_the_lines_before_it() -> None:
    assert tail("1\n2\n3\n\n", 2) == ("... 1 line before", "2", "3")
    assert tail("1\n2", 2) == ("1", "2")
    assert tail("", 2) == ()


OOPS = "[  1.5] BUG: kernel NULL pointer dereference"
PANIC = "[  1.5][    T7] Kernel panic - not syncing: sysrq triggered crash"


@pytest.mark.parametrize(
    ("console", "shown_part"),
    [
        (["1", "2", "3"], ["... 1 line before", "2", "3"]),
        (["1", OOPS], ["1", OOPS]),
        (["1", OOPS, "a"], ["... 1 line before", OOPS, "a"]),
        (["1", "2", OOPS], ["... 1 line before", "2", OOPS]),
        (["1", "2", OOPS, "a", "b", PANIC], ["... 2 lines before", OOPS, "a", "... 2 lines more"]),
        ([PANIC, "a", "b", "c"], [PANIC, "a", "... 2 lines more"]),
        ([], []),
    ],
)
def test_a_console_excerpt_starts_at_the_first_kernel_error(
    console: list[str], shown_part: list[str]
) -> None:
    assert console_part("\n".join(console), 2) == tuple(shown_part)


def test_kernel_warnings_outside_of_cells_are_shown() -> None:
    text = shown(result(full(), [kernel_run(splats=("WARNING: at boot",))]), brief=True)
    assert f"Linux {RELEASE}, outside of cells: WARNING: at boot" in text


@pytest.mark.parametrize("width", [200, 120, 80, 40])
def test_an_expected_rejection_is_never_a_failure(width: int) -> None:
    refused = cell("KPROBE", HEADS[0].id, verdict=Verdict.NOT_ALLOWED, reason="a list of helpers of its own")
    text = shown(replaced(refused), width)
    assert "a list of helpers of its own" in shown(replaced(refused), 200)
    assert "DENIED" not in text
    assert "NOT-ALLOWED" not in text


def test_an_unknown_program_type_is_named() -> None:
    kernel = kernel_run(guest={"prog_types": {"KPROBE": 2, "TELEPATHY": 99}})
    assert "program types unknown to the harness: TELEPATHY (99)" in shown(result([cell()], [kernel]))
    assert "unknown to the harness" not in shown(result([cell()]))
