"""The totals of a result, its exit status, and its JSON and JUnit forms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus
from dynptr_harness.report.junit import as_junit
from dynptr_harness.results.json_format import as_json, schema
from dynptr_harness.results.merge import merge
from dynptr_harness.results.model import RunResult
from jsonschema import Draft202012Validator, ValidationError
from junitparser import Error, Failure, JUnitXml

from tests.unit.samples import FACTS, RELEASE, SHA256, cell, full, kernel_run, result

if TYPE_CHECKING:
    from dynptr_harness.conformance.cell import CellResult

FAILED = cell(case="RSV-006", verdict=Verdict.FAIL, ok=False, seen="reserve: 0", log="0: (85) call #198")
CRASHED = cell("LSM", verdict=Verdict.CRASH, ok=False, seen="a panic", console="\x1b[1mOops\x00 <&>\r\nend")
DIFFERS = cell("LSM", "RSV-005", verdict=Verdict.EXPECTED_DIFFERENCE, seen="reserve: 0", reason="since v6.4")
LOST = cell("SYSCALL", verdict=Verdict.LOST, ok=False, seen="QEMU was ended by SIGKILL")
NOT_RUN = cell("TRACING", verdict=Verdict.NOT_RUN, ok=False, seen="not run: interrupted", seconds=0.0)
MIXED = [cell(), FAILED, CRASHED, DIFFERS, LOST, NOT_RUN]


def document(made: RunResult) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(as_json(made))
    return loaded


def validate(instance: dict[str, Any]) -> None:
    Draft202012Validator(schema()).validate(instance)


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ([cell()], ExitStatus.AS_EXPECTED),
        ([cell(), DIFFERS], ExitStatus.AS_EXPECTED),
        ([cell(verdict=Verdict.ABSENT)], ExitStatus.AS_EXPECTED),
        ([cell(verdict=Verdict.ABSENT, ok=False)], ExitStatus.NOT_AS_EXPECTED),
        ([cell(), FAILED], ExitStatus.NOT_AS_EXPECTED),
        ([CRASHED, LOST], ExitStatus.NOT_AS_EXPECTED),
        ([FAILED, NOT_RUN], ExitStatus.NOT_AS_EXPECTED),
        ([cell(), LOST], ExitStatus.ENVIRONMENT_FAILED),
        ([cell(), NOT_RUN], ExitStatus.ENVIRONMENT_FAILED),
        ([NOT_RUN], ExitStatus.ENVIRONMENT_FAILED),
    ],
)
def test_failures_and_missing_answers_have_different_exit_statuses(
    cells: list[CellResult], status: ExitStatus
) -> None:
    assert result(cells).status is status


def test_the_totals_add_up() -> None:
    totals = result(MIXED).totals
    assert (totals.planned, totals.run, totals.not_run) == (6, 5, 1)
    assert (totals.ok, totals.not_ok) == (2, 3)
    assert sum(totals.verdicts.values()) == totals.planned == totals.run + totals.not_run
    assert {word for word, count in totals.verdicts.items() if count} == {
        "pass", "fail", "crash", "expected-difference", "lost", "not-run",
    }  # fmt: skip


def test_every_planned_cell_needs_a_result() -> None:
    good = result([cell()])
    with pytest.raises(ValueError, match="2 cells were planned and 1 have a result"):
        RunResult(good.run, good.cells, planned=2)


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "made",
    [
        result(full()),
        result(MIXED),
        result([]),
        result([cell(kernel="6.1.0"), cell()], [kernel_run(release="6.1.0"), kernel_run()]),
        result(
            [NOT_RUN],
            [kernel_run(accelerator=None, guest={}, stopped="no", last_console="x")],
            ended="SIGINT",
        ),
        result([cell(kernel="own")], [kernel_run(release="own", package=None, package_version=None)]),
    ],
)
def test_every_result_fits_the_published_schema(made: RunResult) -> None:
    validate(document(made))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema_version", 2),
        ("cells/0/verdict", "passed"),
        ("cells/0/prog_type", "BPF_PROG_TYPE_LSM"),
        ("cells/0/prog_type", "lsm"),
        ("cells/0/ok", "true"),
        ("cells/0/seconds", -1),
        ("cells/0/log", None),
        ("run/started", "yesterday"),
        ("run/kernels/0/sha256", "abc"),
        ("totals/planned", 1.5),
        ("totals/verdicts/passed", 1),
    ],
)
def test_the_schema_rejects_invalid_results(path: str, value: object) -> None:
    wrong = document(result([cell()]))
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    place: Any = wrong
    for step in way:
        place = place[step]
    place[last] = value
    with pytest.raises(ValidationError):
        validate(wrong)


@pytest.mark.parametrize("verdict", ["fail", "lost", "not-run"])
def test_a_missing_answer_cannot_be_as_expected(verdict: str) -> None:
    wrong = document(result([cell()]))
    wrong["cells"][0]["verdict"] = verdict
    with pytest.raises(ValidationError):
        validate(wrong)


def test_the_json_has_the_documented_fields() -> None:
    made = document(result(MIXED))
    assert list(made) == ["schema_version", "run", "cells", "totals"]
    first, failed, crashed = made["cells"][:3]
    assert first == {
        "kernel": RELEASE,
        "arch": "x86_64",
        "prog_type": "KPROBE",
        "case": "RSV-011",
        "loader": "bcc",
        "verdict": "pass",
        "ok": True,
        "expected": "reserve: -22",
        "seen": "reserve: -22",
        "seconds": 0.123,
    }
    assert failed["log"] == "0: (85) call #198"
    assert crashed["console"] == CRASHED.console
    kernel = made["run"]["kernels"][0]
    assert (kernel["package_version"], kernel["sha256"], kernel["accelerator"]) == (
        "6.12.107-1",
        SHA256,
        "tcg",
    )
    assert {tool: kernel["guest"][tool] for tool in ("bcc", "libbpf", "clang")} == {
        "bcc": "0.31.0", "libbpf": "1.5", "clang": "19.1",
    }  # fmt: skip
    assert made["run"]["phases"] == [{"title": "booting", "seconds": 5.5}]


def test_invalid_unicode_can_be_written_as_json() -> None:
    made = as_json(result([cell(seen="\udcff")])).encode()
    assert json.loads(made)["cells"][0]["seen"] == "\udcff"


def read_back(made: RunResult) -> JUnitXml:
    return JUnitXml.fromstring(as_junit(made))


def test_junit_has_a_suite_for_each_kernel() -> None:
    other = "7.3.4+deb14-cloud-amd64"
    made = result([*full(), cell(kernel=other)], [kernel_run(), kernel_run(release=other)])
    suites = list(read_back(made))
    assert [suite.name for suite in suites] == [RELEASE, other]
    assert [(suite.tests, suite.failures, suite.errors) for suite in suites] == [
        (len(full()), 0, 0),
        (1, 0, 0),
    ]
    assert suites[0].timestamp == "2026-01-02T03:04:05"
    cases = list(suites[0])
    assert len({(case.classname, case.name) for case in cases}) == len(full())
    assert {case.classname for case in cases} >= {f"{RELEASE}.LSM", f"{RELEASE}.SYSCALL"}
    properties = {each.name: each.value for each in suites[0].properties()}  # type: ignore[no-untyped-call]
    assert properties["package_version"] == "6.12.107-1"
    assert properties["sha256"] == SHA256
    assert properties["bcc"] == FACTS["bcc"]


def test_a_merged_suite_has_the_time_of_its_shard() -> None:
    later = result([cell(kernel="7.3.4")], [kernel_run(release="7.3.4")], started="2026-02-03T04:05:06Z")
    suites = read_back(merge([("a", later), ("b", result([cell()]))]))
    assert [suite.timestamp for suite in suites] == ["2026-01-02T03:04:05", "2026-02-03T04:05:06"]


def test_junit_tells_failures_from_missing_answers_and_never_skips() -> None:
    (suite,) = read_back(result(MIXED))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (6, 2, 2, 0)
    kinds = [(case.result[0].type, type(case.result[0])) if case.result else None for case in suite]
    assert kinds == [
        None, ("fail", Failure), ("crash", Failure), None, ("lost", Error), ("not-run", Error),
    ]  # fmt: skip


def test_a_junit_failure_has_log_and_console() -> None:
    _passed, failed, crashed, differs, *_ = next(iter(read_back(result(MIXED))))
    assert failed.result[0].message == "fail: reserve: 0"
    assert failed.result[0].text == "expected: reserve: -22\nseen: reserve: 0"
    assert failed.system_out == "verifier log:\n0: (85) call #198"
    assert crashed.system_err == "console:\nOops? <&>\nend"
    assert "expected-difference: since v6.4" in differs.system_out


def test_junit_shows_expected_deviations() -> None:
    absent = cell(verdict=Verdict.ABSENT, expected="no helper", seen="no helper", reason="no helper")
    (case,) = next(iter(read_back(result([absent]))))
    assert case.system_out.startswith("absent: no helper")


def test_junit_has_a_test_case_for_each_loader() -> None:
    cases = next(iter(read_back(result([cell(), cell(loader="libbpf")]))))
    assert [case.name for case in cases] == ["RSV-011 (bcc)", "RSV-011 (libbpf)"]
