"""The commands about results, and `run --baseline`: files, exit statuses and messages."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.results.json_format import as_json, schema

from tests.unit.samples import RELEASE, FakeGuest, cell, kernel_run, result

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.conformance.cell import CellResult

    from tests.unit.cli.command import Command

    Trouble = dict[int, object]

FAILED = cell(verdict=Verdict.FAIL, ok=False, seen="reserve: 0")
LOST = cell(verdict=Verdict.LOST, ok=False, seen="gone")
ASKED = ("run", "-t", "LSM", "-c", "CMT-00[12]", "--quiet")
WRONG = {0: {"loader": "bcc"}}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Results in files, by what they show of one cell."""
    rest = cell("LSM")
    other = replace(rest, kernel="7.3.4")
    made = {
        "good": result([cell(), rest]),
        "failed": result([FAILED, rest]),
        "short": result([rest]),
        "other": result([other], [kernel_run(release="7.3.4")]),
    }
    for name, each in made.items():
        (tmp_path / f"{name}.json").write_text(as_json(each))
    (tmp_path / "foreign.json").write_text('{"version": "2.1.0", "runs": []}')
    return {name: str(tmp_path / f"{name}.json") for name in (*made, "foreign")}


def test_all_reports_are_written_and_nothing_is_printed(
    command: Command, files: dict[str, str], tmp_path: Path
) -> None:
    names = {"--html": "r.html", "--markdown": "r.md", "--junit": "r.xml", "--svg": "r.svg"}
    options = [word for option, name in names.items() for word in (option, str(tmp_path / name))]
    ended = command("report", files["failed"], files["other"], *options, "--baseline", files["good"])
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    for name, words in {
        "r.html": "<!doctype html>", "r.md": "1 newly failing", "r.xml": 'failures="1"', "r.svg": "<svg ",
    }.items():  # fmt: skip
        assert words in (tmp_path / name).read_text()


def test_without_a_file_report_and_comparison_are_printed(command: Command, files: dict[str, str]) -> None:
    ended = command("report", files["failed"], "--baseline", files["good"])
    assert ended.status == 0
    assert "FAIL RSV-011" in ended.out
    assert "New failures (1 cell)" in ended.out


def test_the_schema_is_published(command: Command) -> None:
    assert json.loads(command("report", "--schema").out) == schema()


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ("good", "good", 0),
        ("good", "failed", 1),
        ("failed", "good", 0),
        ("failed", "failed", 0),
        ("good", "short", 1),
        ("failed", "short", 0),
        ("good", "other", 1),
        ("good", "foreign", 2),
        ("nowhere", "good", 2),
    ],
)
def test_diff_exits_with_1_only_on_a_regression(
    command: Command, files: dict[str, str], before: str, after: str, status: int
) -> None:
    assert command("diff", files.get(before, before), files[after]).status == status


def test_partial_ignores_missing_kernels(command: Command, files: dict[str, str]) -> None:
    assert command("diff", "--partial", files["good"], files["other"]).status == 0


def test_diff_writes_json_and_markdown(command: Command, files: dict[str, str], tmp_path: Path) -> None:
    paths = [tmp_path / "d.json", tmp_path / "d.md"]
    options = ("--json", str(paths[0]), "--markdown", str(paths[1]))
    assert command("diff", files["good"], files["failed"], *options).status == 1
    assert json.loads(paths[0].read_text())["regression"] is True
    assert "#### New failures (1 cell)" in paths[1].read_text()


def test_merge_writes_one_result(command: Command, files: dict[str, str], tmp_path: Path) -> None:
    merged = tmp_path / "merged.json"
    ended = command("merge", files["good"], files["other"], "--json", str(merged))
    assert (ended.status, ended.out) == (0, "")
    assert json.loads(merged.read_text())["totals"]["planned"] == 3


def test_a_result_equals_its_baselines(command: Command, files: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "kept" / "baselines"
    ended = command("baseline", files["failed"], files["other"], "--folder", str(folder))
    assert ended.status == 0
    assert ended.out.split() == [str(folder / "6.12.json"), str(folder / "7.3.json")]
    assert "2 the same: no regression" in command("diff", "--partial", str(folder), files["failed"]).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "{foreign}"], ["foreign.json is not a result of dynptr-harness", "run --json"]),
        (["report", "{good}", "--html", "/nonexistent/r.html"], ["there is no directory /nonexistent"]),
        (["report", "{good}", "--html", "x", "--svg", "./x"], ["--html and --svg both name x"]),
        (["report"], ["RESULT"]),
        (["diff", "{good}"], ["AFTER"]),
        (["merge", "{good}", "{failed}", "--json", "x"], ["contradict each other"]),
        (["merge", "{good}"], ["--json"]),
        (["run", "--baseline", "{foreign}"], ["is not a result"]),
        (["matrix", "--format", "jenkins"], ["jenkins"]),
        (["matrix", "--kernel", "oci:some/kernel"], ["oci:some/kernel cannot be in a job matrix"]),
    ],
)
def test_wrong_usage_is_one_message_and_boots_nothing(
    command: Command, files: dict[str, str], arguments: list[str], words: list[str]
) -> None:
    ended = command(*(each.format(**files) for each in arguments))
    assert ended.status == 2
    assert all(word in ended.err for word in words), ended.err
    assert not ended.out
    assert not command.prepared


def baseline_of(command: Command, folder: Path, machine: FakeGuest) -> str:
    command.machines = [machine]
    command(*ASKED, "--json", str(folder / "before.json"))
    return str(folder / "before.json")


@pytest.mark.parametrize(
    ("before", "after", "status", "words"),
    [
        ({}, {}, 0, "2 the same: no regression"),
        ({}, WRONG, 1, "New failures (1 cell)"),
        (WRONG, WRONG, 0, "2 the same: no regression"),
        (WRONG, {}, 0, "Fixed (1 cell)"),
    ],
)
def test_a_baseline_excuses_known_failures(
    command: Command, tmp_path: Path, before: Trouble, after: Trouble, status: int, words: str
) -> None:
    baseline = baseline_of(command, tmp_path, FakeGuest(before))
    command.machines = [FakeGuest(after)]
    ended = command(*ASKED, "--baseline", baseline)
    assert ended.status == status, ended
    assert words in ended.out


def test_unselected_cells_are_not_missing(command: Command, tmp_path: Path) -> None:
    baseline = baseline_of(command, tmp_path, FakeGuest())
    ended = command("run", "-t", "lsm", "-c", "cmt-001", "--quiet", "--baseline", baseline)
    assert ended.status == 0, ended
    assert "1 the same: no regression" in ended.out


def written(folder: Path, *cells: CellResult) -> str:
    (folder / "base.json").write_text(as_json(result(cells)))
    return str(folder / "base.json")


def test_a_removed_case_is_missing(command: Command, tmp_path: Path) -> None:
    gone = cell("LSM", "CMT-999", kernel=RELEASE)
    ended = command("run", "-t", "LSM", "-c", "CMT-*", "--quiet", "--baseline", written(tmp_path, gone))
    assert ended.status == 1
    assert "CMT-999 in LSM: was pass" in ended.out
