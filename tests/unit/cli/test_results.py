"""The commands about results, and `run --baseline`: files, exit statuses and messages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from dynptr_harness.cli.app import app
from dynptr_harness.commands import results
from dynptr_harness.conformance.catalogue import CASES
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.results.json_format import as_json, schema

from tests.unit.samples import RELEASE, FakeGuest, cell, kernel_run, result
from tests.unit.schemas import validated

if TYPE_CHECKING:
    from dynptr_harness.conformance.cell import CellResult

    from tests.unit.cli.command import Command

    Trouble = dict[int, object]

FAILED = cell(verdict=Verdict.FAIL, ok=False, seen="reserve: 0")
LOST = cell(verdict=Verdict.LOST, ok=False, seen="gone")
ASKED = ("run", "-t", "LSM", "-c", "CMT-00[12]", "--quiet")
WRONG = {0: {"loader": "bcc"}}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Write results, named after the state of one of their cells."""
    rest = cell("LSM")
    other = replace(rest, kernel="7.3.4")
    made = {
        "good": result([cell(), rest]),
        "failed": result([FAILED, rest]),
        "short": result([rest]),
        "lost": result([LOST, rest]),
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


def give_stdin(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(Path(path).read_bytes())))


@pytest.mark.parametrize(
    ("option", "start"),
    [("--html", "<!doctype html>"), ("--markdown", "## "), ("--junit", "<testsuites "), ("--svg", "<svg ")],
)
def test_every_report_can_go_to_standard_output(
    command: Command, files: dict[str, str], monkeypatch: pytest.MonkeyPatch, option: str, start: str
) -> None:
    give_stdin(monkeypatch, files["good"])
    ended = command("report", files["failed"], option, "-", "--baseline", "-")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(start)
    assert not Path("-").exists()


@pytest.mark.parametrize("option", ["--json", "--markdown"])
def test_diff_keeps_standard_output_for_the_file(
    command: Command, files: dict[str, str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    give_stdin(monkeypatch, files["failed"])
    ended = command("diff", files["good"], "-", option, "-")
    assert ended.status == 1
    assert "New failures (1 cell)" in ended.err
    if option == "--json":
        assert json.loads(ended.out)["regression"]
    else:
        assert ended.out.startswith("### ❌")


def test_run_keeps_standard_output_for_the_file(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, baseline_of(command, tmp_path, FakeGuest()))
    command.machines = [FakeGuest()]
    ended = command(*ASKED, "--json", "-", "--baseline", "-")
    assert ended.status == 0
    assert json.loads(ended.out)["totals"]["ok"] == 2
    assert "2 cells planned" in ended.err
    assert "no regression" in ended.err
    command.machines = [FakeGuest()]
    assert command(*ASKED, "--junit", "-").out.startswith("<testsuites ")


def test_merge_reads_and_writes_streams(
    command: Command, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, files["good"])
    ended = command("merge", "-", files["other"], "--json", "-")
    assert json.loads(ended.out)["totals"]["planned"] == 3


def test_a_result_on_standard_input_has_a_name_in_messages(
    command: Command, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, files["foreign"])
    assert "standard input is not a result" in command("types", "--result", "-").err
    give_stdin(monkeypatch, files["good"])
    ended = command("diff", "-", "-")
    assert (ended.status, ended.out) == (2, "")
    assert "standard input is empty" in ended.err


def test_every_file_option_is_tested_with_standard_output() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    options = {
        (name, option)
        for name, command in group.commands.items()
        for parameter in command.params
        if getattr(parameter, "metavar", "") == "FILE"
        for option in parameter.opts
    }
    assert options == {
        *(("report", f"--{name}") for name in ("html", "markdown", "junit", "svg")),
        *(("diff", f"--{name}") for name in ("json", "markdown")),
        *(("run", f"--{name}") for name in ("json", "junit", "ktap")),
        ("types", "--markdown"), ("merge", "--json"), ("fuzz", "--replay"),
        ("fuzz-programs", "--replay"), ("kconfig", "--check"),
        ("docs", "--output"), ("docs", "-o"),
    }  # fmt: skip


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
        ("good", "short", 3),
        ("failed", "short", 3),
        ("good", "other", 3),
        ("good", "lost", 3),
        ("lost", "failed", 0),
        ("good", "foreign", 2),
        ("nowhere", "good", 2),
    ],
)
def test_diff_exits_with_1_on_a_regression_and_3_on_lost_coverage(
    command: Command, files: dict[str, str], before: str, after: str, status: int
) -> None:
    assert command("diff", files.get(before, before), files[after]).status == status


@pytest.mark.parametrize(("after", "status"), [("other", 0), ("short", 0), ("lost", 3), ("failed", 1)])
def test_partial_ignores_missing_kernels_and_cells(
    command: Command, files: dict[str, str], after: str, status: int
) -> None:
    assert command("diff", "--partial", files["good"], files[after]).status == status


def test_diff_compares_different_kernels(command: Command, files: dict[str, str]) -> None:
    ended = command("diff", "--partial", files["good"], files["other"])
    assert f"Linux {RELEASE} compared with 7.3.4, another series" in ended.out
    assert "1 the same: no regression" in ended.out


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
    ("kept", "words"),
    [
        ("{short}", ""),
        ("{good}", "has 1 new failure"),
        ("{full}", "lacks 1 cell"),
        ("{foreign}", "not a result"),
    ],
)
def test_a_better_baseline_is_kept_unless_forced(
    command: Command, files: dict[str, str], tmp_path: Path, kept: str, words: str
) -> None:
    full = result([FAILED, cell("LSM"), cell("LSM", "CMT-001")])
    (tmp_path / "full.json").write_text(as_json(full))
    made = files | {"full": str(tmp_path / "full.json")}
    baseline = tmp_path / "kept" / "6.12.json"
    baseline.parent.mkdir()
    before = Path(kept.format(**made)).read_bytes()
    baseline.write_bytes(before)
    ended = command("baseline", files["failed"], files["other"], "--folder", str(baseline.parent))
    assert ended.status == (2 if words else 0)
    if words:
        assert baseline.read_bytes() == before
        assert not (baseline.parent / "7.3.json").exists()
        assert all(word in ended.err for word in (words, "--force", str(baseline))), ended.err
        forced = command("baseline", files["failed"], "--folder", str(baseline.parent), "--force")
        assert forced.status == 0
    assert len(json.loads(baseline.read_text())["cells"]) == 2


def test_a_removed_case_does_not_keep_a_baseline(
    command: Command, files: dict[str, str], tmp_path: Path
) -> None:
    baseline = tmp_path / "kept" / "6.12.json"
    baseline.parent.mkdir()
    baseline.write_text(as_json(result([cell(), cell("LSM"), cell("LSM", "RSV-999")])))
    assert command("baseline", files["good"], "--folder", str(baseline.parent)).status == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "{foreign}"], ["foreign.json is not a result of dynptr-harness", "run --json"]),
        (["report", "{good}", "--html", "/nonexistent/r.html"], ["there is no directory /nonexistent"]),
        (["report", "{good}", "--html", "x", "--svg", "./x"], ["--html and --svg both name x"]),
        (["report"], ["RESULT"]),
        (["diff", "{good}"], ["AFTER"]),
        (["merge", "{good}", "{failed}", "--json", "x"], ["contradict each other"]),
        (["report", "{good}", "--html", "-", "--svg", "-"], ["--html and --svg both name standard output"]),
        (["run", "--in", "docker", "--baseline", "-"], ["cannot read standard input"]),
        (["merge", "{good}"], ["--json"]),
        (["types", "--compat"], ["--compat needs a result", "types --compat baselines"]),
        (["types", "--markdown", "x.md"], ["--markdown needs --compat"]),
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
    assert ended.status == 3
    assert "CMT-999 in LSM: was pass" in ended.out
    assert "coverage of 1 cell lost" in ended.out


def test_compat_is_text_json_or_a_page(
    command: Command, files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "types.md"
    path.write_text("")
    example = tmp_path / "example.json"
    example.write_text(as_json(result([cell("LSM", "ATT-002")])))
    assert re.search(r"^LSM +yes$", command("types", "--compat", str(example)).out, re.MULTILINE)
    both = command("types", "--compat", str(example), files["other"])
    assert re.search(r"^LSM +yes +\?$", both.out, re.MULTILINE)
    made = validated("types", command("types", "--compat", "--result", str(example), "--json").out)
    assert made["kernels"] == [RELEASE]
    assert command("types", "--compat", str(example), "--markdown", str(path)).out == ""
    give_stdin(monkeypatch, str(example))
    ended = command("types", "--compat", "-", "--markdown", "-")
    assert ended.out == path.read_text()
    assert "| `LSM` | yes |" in ended.out


def test_results_of_types_can_be_arguments(command: Command, files: dict[str, str]) -> None:
    assert command("types", files["good"]).out == command("types", "--result", files["good"]).out != ""


ANNOTATION = (
    "::error file=bpf_src/steps.c,line={line},title=Linux 6.12.107+deb13-cloud-amd64%3A FAIL RSV-011::"
    "{title} (in KPROBE)%0Aexpected: reserve: -22%0Aseen: reserve: 0\n"
)


@pytest.mark.parametrize(
    ("options", "job", "annotated"),
    [
        (["--github"], "", True),
        ([], "true", True),
        ([], "", False),
        (["--no-github"], "true", False),
    ],
)
def test_annotations_are_for_jobs_of_github(
    command: Command,
    files: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    job: str,
    annotated: bool,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", job)
    ended = command("report", files["failed"], "--markdown", str(tmp_path / "r.md"), *options)
    assert ended.status == 0
    title = next(case.title for case in CASES if case.id == "RSV-011")
    line = re.search(r"line=(\d+)", ended.out)
    assert ended.out == (ANNOTATION.format(line=line[1], title=title) if annotated and line else "")


def test_annotations_leave_standard_output_to_the_file(command: Command, files: dict[str, str]) -> None:
    ended = command("report", files["failed"], "--svg", "-", "--github")
    assert ended.out.startswith("<svg ")
    assert "::" not in ended.out
    assert ended.err.startswith("::error file=")


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        (
            {
                "GITHUB_SERVER_URL": "https://github.example",
                "GITHUB_REPOSITORY": "me/kernel",
                "GITHUB_SHA": "abc",
            },
            "https://github.example/me/kernel/blob/abc",
        ),
        (
            {"CI_PROJECT_URL": "https://gitlab.example/me", "CI_COMMIT_SHA": "abc"},
            "https://gitlab.example/me/-/blob/abc",
        ),
        ({"GITHUB_SHA": "abc"}, ""),
    ],
)
def test_the_page_links_to_the_sources_of_a_ci_job(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
) -> None:
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA", "CI_PROJECT_URL", "CI_COMMIT_SHA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert results._sources() == url
