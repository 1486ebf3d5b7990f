"""The KTAP report, read by a strict reader and by the kernel's own one.

The kernel's reader is tools/testing/kunit/kunit_parser.py of a kernel tree. DYNPTR_HARNESS_TEST_LINUX names
the tree; without it, a tree below /usr/src is used if there is one, such as that of Debian's linux-source.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.report.ktap import as_ktap

from tests.unit.samples import RELEASE, cell, kernel_run, result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.results.model import RunResult

    from tests.unit.cli.command import Command

OTHER = "7.3.4"
RESULT_LINE = re.compile(r"(ok|not ok) (\d+) ([^\s#]+)(?: # (SKIP) (.+))?")


@dataclass
class Test:
    """A test of a KTAP document. The status is 'passed', 'failed' or 'skipped'."""

    name: str
    status: str
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)

    __test__ = False


def read(text: str) -> list[Test]:
    """Read a document of KTAP version 1. Every deviation from the format is an error."""
    assert text.endswith("\n")
    lines = text.splitlines()
    assert all(line.isprintable() for line in lines)
    _name, tests = read_tests(lines, 0)
    assert not lines, lines
    return tests


def read_tests(lines: list[str], depth: int) -> tuple[str, list[Test]]:
    """Remove one level from the lines. Return the name of its parent and its tests."""
    indent = "  " * depth
    assert lines.pop(0) == f"{indent}KTAP version 1"
    parent = lines.pop(0).removeprefix(f"{indent}# Subtest: ") if depth else ""
    plan = re.fullmatch(rf"{indent}1\.\.(\d+)", lines.pop(0))
    assert plan
    tests = []
    for number in range(1, int(plan[1]) + 1):
        name, inner = read_tests(lines, depth + 1) if lines[0].startswith(f"{indent}  KTAP") else ("", [])
        notes = []
        while lines[0].startswith(f"{indent}# "):
            notes.append(lines.pop(0).removeprefix(f"{indent}# "))
        found = RESULT_LINE.fullmatch(lines.pop(0).removeprefix(indent))
        assert found
        assert int(found[2]) == number
        assert name in ("", found[3])
        status = "skipped" if found[4] else {"ok": "passed", "not ok": "failed"}[found[1]]
        tests.append(Test(found[3], status, found[5] or "", notes, inner))
    return parent, tests


@pytest.fixture
def sample() -> RunResult:
    """Two kernels, with cells of every kind."""
    wrong: dict[str, Any] = {"verdict": Verdict.FAIL, "ok": False, "seen": "reserve: 0\nmore \x1b[1m# of it"}
    cells = [
        cell(),
        cell(case="RSV-012", **wrong, log="0: r0\n1: exit"),
        cell("LSM", verdict=Verdict.ABSENT, reason="CONFIG_BPF_LSM is not set"),
        cell("XDP", verdict=Verdict.KNOWN_DEFECT, reason="a # defect"),
        cell("XDP", "RSV-013", verdict=Verdict.NOT_RUN, ok=False, seen="not run: stopped"),
    ]
    others = [replace(each, kernel=OTHER) for each in cells if each.ok]
    kernels = [
        kernel_run(),
        kernel_run(release=OTHER, package=None, selector="/linux/bzImage", append=("x=1",)),
    ]
    return result([*cells, *others], kernels)


EXPECTED = {
    RELEASE: "failed",
    f"{RELEASE}/KPROBE": "failed",
    f"{RELEASE}/KPROBE/RSV-011.bcc": "passed",
    f"{RELEASE}/KPROBE/RSV-012.bcc": "failed",
    f"{RELEASE}/LSM": "skipped",
    f"{RELEASE}/LSM/RSV-011.bcc": "skipped",
    f"{RELEASE}/XDP": "failed",
    f"{RELEASE}/XDP/RSV-011.bcc": "passed",
    f"{RELEASE}/XDP/RSV-013.bcc": "failed",
    OTHER: "passed",
    f"{OTHER}/KPROBE": "passed",
    f"{OTHER}/KPROBE/RSV-011.bcc": "passed",
    f"{OTHER}/LSM": "skipped",
    f"{OTHER}/LSM/RSV-011.bcc": "skipped",
    f"{OTHER}/XDP": "passed",
    f"{OTHER}/XDP/RSV-011.bcc": "passed",
}


def flat(tests: list[Test], above: str = "") -> Iterator[tuple[str, Test]]:
    for test in tests:
        yield above + test.name, test
        yield from flat(test.tests, f"{above}{test.name}/")


def test_subtests_are_kernels_types_and_cells(sample: RunResult) -> None:
    tests = dict(flat(read(as_ktap(sample))))
    assert {name: test.status for name, test in tests.items()} == EXPECTED
    assert tests[f"{RELEASE}/LSM/RSV-011.bcc"].reason == "CONFIG_BPF_LSM is not set"


def test_an_unexpected_result_has_its_details(sample: RunResult) -> None:
    tests = dict(flat(read(as_ktap(sample))))
    assert tests[f"{RELEASE}/KPROBE/RSV-012.bcc"].notes == [
        "RSV-012.bcc: fail",
        "RSV-012.bcc: expected: reserve: -22",
        "RSV-012.bcc: seen: reserve: 0",
        "RSV-012.bcc: seen: more # of it",
        "RSV-012.bcc: log: 0: r0",
        "RSV-012.bcc: log: 1: exit",
        f"RSV-012.bcc: repeat: dynptr-harness run --kernel {RELEASE} -t KPROBE -c RSV-012",
    ]
    assert tests[f"{RELEASE}/XDP/RSV-011.bcc"].notes == ["RSV-011.bcc: known-defect: a # defect"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1..2", "1..3"),
        ("ok 2 ", "ok 3 "),
        ("KTAP version 1", "KTAP version 2"),
        ("# Subtest: XDP\n", ""),
        ("    ok 1 RSV", "   ok 1 RSV"),
        ("# SKIP all subtests are skipped", "# SKIP"),
    ],
)
def test_the_reader_rejects_other_text(sample: RunResult, before: str, after: str) -> None:
    text = as_ktap(sample)
    assert before in text
    with pytest.raises((AssertionError, IndexError)):
        read(text.replace(before, after))


def kernel_reader() -> Any:
    """Return the module of the kernel's reader, or skip the test."""
    named = os.environ.get("DYNPTR_HARNESS_TEST_LINUX")
    trees = [Path(named)] if named else sorted(Path("/usr/src").glob("linux*"))
    for tree in trees:
        directory = tree / "tools/testing/kunit"
        if (directory / "kunit_parser.py").is_file():
            sys.path.insert(0, str(directory))
            try:
                return __import__("kunit_parser")
            finally:
                sys.path.remove(str(directory))
    return pytest.skip("no kernel tree has tools/testing/kunit; name one in DYNPTR_HARNESS_TEST_LINUX")


def test_the_reader_of_the_kernel_finds_the_same(
    sample: RunResult, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = kernel_reader()
    read_by_kernel = reader.parse_run_tests(as_ktap(sample).splitlines())
    statuses = {}

    def note(test: Any, above: str) -> None:
        statuses[above + test.name] = {"SUCCESS": "passed", "FAILURE": "failed", "SKIPPED": "skipped"}[
            test.status.name
        ]
        for each in test.subtests:
            note(each, f"{above}{test.name}/")

    for kernel in read_by_kernel.subtests:
        note(kernel, "")
    assert statuses == EXPECTED
    assert read_by_kernel.counts.errors == 0
    assert "[ERROR]" not in capsys.readouterr().out


def test_ktap_is_written_to_a_file(command: Command, tmp_path: Path) -> None:
    ended = command("run", "-t", "LSM", "-c", "CMT-00[12]", "--ktap", str(tmp_path / "r.ktap"))
    assert ended.status == 0, ended
    (kernel,) = read((tmp_path / "r.ktap").read_text())
    assert [test.name for test in kernel.tests[0].tests] == ["CMT-001.bcc", "CMT-002.bcc"]
    assert "cells planned" in ended.out


def test_ktap_on_standard_output_moves_the_report_to_standard_error(command: Command) -> None:
    ended = command("run", "-t", "LSM", "-c", "CMT-001", "--ktap", "-")
    assert [kernel.status for kernel in read(ended.out)] == ["passed"]
    assert "1 cell planned" in ended.err


def test_a_run_cannot_write_ktap_and_json_to_one_file(command: Command, tmp_path: Path) -> None:
    ended = command("run", "--ktap", str(tmp_path / "r"), "--json", str(tmp_path / "r"))
    assert ended.status == 2
