"""The command with fake machines: exit statuses, messages, files, completion."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from dynptr_harness import __version__
from dynptr_harness.cli import completion
from dynptr_harness.cli.app import PANELS, app
from dynptr_harness.cli.doctor_table import as_lines
from dynptr_harness.commands.doctor import CheckResult, State
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.not_tested import NOT_TESTED
from dynptr_harness.conformance.plan import make
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage
from dynptr_harness.core.signals import Interrupted
from dynptr_harness.results.json_format import schema
from dynptr_harness.vm.failures import FailureKind, MachineFailed
from jsonschema import Draft202012Validator

from tests.unit.cli.command import Ended
from tests.unit.samples import FakeGuest, sample_case

if TYPE_CHECKING:
    from tests.unit.cli.command import Command

PROG_TYPE_NAMES = [prog_type.name for prog_type in PROG_TYPES]
ASKED_EVERYTHING = [each.name for each in PROG_TYPES if each.offers_helper and not each.is_variant]
CRASH = MachineFailed(FailureKind.CRASH, "Kernel panic", tail="BUG\nend", console=Path("/runs/1/console.txt"))
NO_BOOT = MachineFailed(FailureKind.BOOT, "no word", tail="VFS: no root", console=Path("/runs/1/console.txt"))


def test_an_expected_run_prints_a_matrix_and_exits_with_0(command: Command) -> None:
    ended = command("run", "-c", "CMT*")
    assert ended.status == 0, ended
    assert f"{len(make(PROG_TYPES, CASES, (), ['CMT*']).cells)} cells planned" in ended.out
    assert all(re.search(rf"^{name} ", ended.out, re.MULTILINE) for name in ASKED_EVERYTHING)
    assert "starting" in ended.err
    assert "\x1b" not in ended.out + ended.err
    assert command.prepared[0]["selectors"] == ("6.12",)
    assert command.prepared[0]["accelerator"] == "auto"


@pytest.mark.parametrize(
    ("machines", "status", "words"),
    [
        ([FakeGuest({0: {"loader": "bcc"}})], 1, "1 not ("),
        ([FakeGuest({1: CRASH})], 1, "CRASH CMT-002 in KPROBE"),
        ([NO_BOOT], 3, "cells not run: the guest did not boot: no word"),
    ],
)
def test_the_exit_status_follows_the_result(
    command: Command, machines: list[FakeGuest | Exception], status: int, words: str
) -> None:
    command.machines = machines
    ended = command("run", "-t", "KPROBE", "-c", "CMT-*")
    assert ended.status == status, ended
    assert words in ended.out


def test_options_reach_the_parts(command: Command, tmp_path: Path) -> None:
    ended = command(
        "run", "--kernel", "6.1", "-k", "7.3", "--accel", "tcg", "--modules", str(tmp_path),
        "--cpus", "3", "--memory", "2048", "-t", "bpf_prog_type_lsm", "--case", "cmt-00[12]",
        "--append", "nokaslr initcall_debug", "--append", "slub_debug=FZ", "--offline",
    )  # fmt: skip
    assert ended.status == 0, ended
    (prepared,) = command.prepared
    assert prepared["selectors"] == ("6.1", "7.3")
    assert prepared["modules"] == tmp_path
    assert prepared["accelerator"] == "tcg"
    assert prepared["append"] == ("nokaslr", "initcall_debug", "slub_debug=FZ")
    assert prepared["settings"].offline
    (booted,) = command.booted
    assert (booted["cpus"], booted["memory_mib"], booted["snapshot"]) == (3, 2048, True)
    assert booted["folder"].parent.parent == tmp_path / "cache" / "runs"
    assert "2 cells planned" in ended.out


@pytest.mark.parametrize(("argument", "limit"), [("--no-snapshot", "4096"), ("--snapshot", "0")])
def test_no_snapshot_boots_the_machine(
    command: Command, monkeypatch: pytest.MonkeyPatch, argument: str, limit: str
) -> None:
    monkeypatch.setenv("DYNPTR_HARNESS_SNAPSHOT_LIMIT", limit)
    assert command("run", argument, "-t", "LSM", "-c", "CMT-001").status == 0
    assert [booted["snapshot"] for booted in command.booted] == [False]


def test_an_invalid_limit_is_wrong_usage(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNPTR_HARNESS_SNAPSHOT_LIMIT", "4 GiB")
    ended = command("run")
    assert ended.status == 2
    assert "DYNPTR_HARNESS_SNAPSHOT_LIMIT is '4 GiB'" in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "-t", "KPROB"], ["no program type 'KPROB'", "did you mean KPROBE"]),
        (["run", "-c", "RSV-01"], ["no case 'RSV-01'", "did you mean RSV-01"]),
        (["run", "--json", "/nonexistent/a.json"], ["there is no directory /nonexistent", "mkdir -p"]),
        (["run", "--junit", "/nonexistent/a.xml"], ["--junit /nonexistent/a.xml"]),
        (["run", "--json", "same", "--junit", "./same"], ["both name same"]),
        (["run", "--accel", "xen"], ["xen"]),
        (["run", "--append", "panic=0"], ["--append panic=0 is not allowed", "immediate reset"]),
        (["run", "--cpus", "0"], ["--cpus"]),
        (["run", "--nonsense"], ["--nonsense"]),
        (["nonsense"], ["nonsense"]),
    ],
)
def test_wrong_usage_exits_with_2_before_anything_is_fetched(
    command: Command, arguments: list[str], words: list[str]
) -> None:
    ended = command(*arguments)
    assert ended.status == 2
    assert all(word in ended.err for word in words), ended.err
    assert not ended.out
    assert not command.prepared


@pytest.mark.parametrize(
    ("failure", "status", "message"),
    [
        (WrongUsage("'9.9' is not a kernel", "name a series"), 2, "'9.9' is not a kernel\n  name a series\n"),
        (EnvironmentFailed("no \x1b[1mnetwork\x07"), 3, "no network?\n"),
        (Interrupted(signal.SIGTERM), 143, "interrupted by SIGTERM\n"),
    ],
)
def test_a_failure_before_the_first_boot_is_one_message(
    command: Command, failure: BaseException, status: int, message: str
) -> None:
    command.failure = failure
    ended = command("run", "--quiet")
    assert ended == Ended(status, "", f"dynptr-harness: {message}")


def test_an_unexpected_exception_is_a_message_and_a_file(command: Command) -> None:
    command.failure = KeyError("x")
    ended = command("run", "--quiet")
    assert ended.status == 4
    found = re.fullmatch(
        r"dynptr-harness: unexpected KeyError: 'x'\n  a bug in dynptr-harness; its trace is in (\S+)\n",
        ended.err,
    )
    assert found, ended.err
    trace = Path(found.group(1))
    assert "Traceback" in trace.read_text()
    trace.unlink()


def test_results_are_written(command: Command, tmp_path: Path) -> None:
    json_file, junit_file = tmp_path / "r.json", tmp_path / "r.xml"
    command.machines = [FakeGuest({1: CRASH})]
    ended = command("run", "-t", "LSM", "-c", "CMT*", "--json", str(json_file), "--junit", str(junit_file))
    assert ended.status == 1
    made = json.loads(json_file.read_text())
    Draft202012Validator(schema()).validate(made)
    cells = make(PROG_TYPES, CASES, ["LSM"], ["CMT*"]).cells
    assert made["totals"]["planned"] == len(cells)
    assert made["titles"] == {cell.case.id: cell.case.title for cell in cells}
    assert made["totals"]["verdicts"]["crash"] == 1
    assert b'failures="1"' in junit_file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "r.json", "r.xml"]


def test_added_kernel_arguments_reach_the_machine_and_the_result(command: Command, tmp_path: Path) -> None:
    ended = command(
        "run", "-t", "LSM", "-c", "CMT-001", "--append", "nokaslr", "--json", str(tmp_path / "r.json")
    )
    assert ended.status == 0, ended
    assert command.booted[0]["cmdline"] == ("nokaslr",)
    assert json.loads((tmp_path / "r.json").read_text())["run"]["kernels"][0]["append"] == ["nokaslr"]


def test_the_report_is_printed_even_if_a_file_cannot_be_written(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise EnvironmentFailed("cannot write: No space left on device")

    monkeypatch.setattr("dynptr_harness.core.output.write", full)
    ended = command("run", "-t", "LSM", "--json", str(tmp_path / "r.json"))
    assert ended.status == 3
    assert "cells planned" in ended.out
    assert "No space left" in ended.err


def test_quiet_prints_only_the_summary(command: Command) -> None:
    ended = command("run", "-c", "CMT*", "--quiet")
    assert ended.err == ""
    assert len(ended.out.splitlines()) == 1


@pytest.mark.parametrize(("columns", "width"), [(None, 120), ("60", 60), ("200", 200)])
def test_a_piped_table_has_the_width_of_columns_or_a_default(
    command: Command, monkeypatch: pytest.MonkeyPatch, columns: str | None, width: int
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    lines = command("run", "-c", "RSV-00[1-4]", "-c", "CMT-00*").out.splitlines()
    table = [line for line in lines if line.startswith(("program type", *ASKED_EVERYTHING))]
    assert len(table) >= 1 + len(ASKED_EVERYTHING)
    assert max(map(len, table)) <= width
    assert (max(map(len, table)) > 60) is (width > 60)


def test_a_piped_line_is_not_wrapped(command: Command) -> None:
    command.machines = [FakeGuest({0: CRASH})]
    ended = command("run", "-t", "LSM", "-c", "CMT-001")
    (title,) = (case.title for case in CASES if case.id == "CMT-001")
    assert re.search(
        rf"^CRASH CMT-001 in LSM: {re.escape(title)} \(6\.12\S+, bcc\)$", ended.out, re.MULTILINE
    )


def test_the_version_is_printed(command: Command) -> None:
    assert command("--version") == Ended(0, f"dynptr-harness {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["Exit status", "run", "doctor", "setup", "cases", "types", "--install-completion"]),
        (["run", "--help"], ["Examples", "dynptr-harness run -t", "--kernel", "--junit", "6.12"]),
        (["doctor", "-h"], ["fix problems"]),
    ],
)
def test_help_names_the_essentials(command: Command, arguments: list[str], words: list[str]) -> None:
    ended = command(*arguments)
    assert ended.status == 0
    assert all(word in ended.out for word in words), ended.out
    assert "<bool>" not in ended.out


def test_help_lists_every_command_in_a_panel(command: Command) -> None:
    out = command("--help").out
    assert re.findall(r"─ ([A-Z][A-Za-z ]*) ─", out) == ["Options", *PANELS]
    listed = {word for names in PANELS.values() for word in names}
    assert listed == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 80])
def test_the_doctor_table_breaks_no_word(width: int) -> None:
    path = "/var/cache/" + "x" * width
    findings = [CheckResult("guest image", State.WARN, f"not used, see {path}", "run `make setup` " * 9)]
    lines = [line.plain for line in as_lines(findings, width)]
    words = " ".join(lines).split()
    assert words[:3] == ["guest", "image", "WARN"]
    assert words[3:] == f"not used, see {path} -> {'run `make setup` ' * 9}".split()
    assert all(len(line) <= width for line in lines if path not in line)


def test_the_program_types_are_listed_as_text_and_as_json(command: Command) -> None:
    rows = json.loads(command("types", "--json").out)
    assert [row["prog_type"] for row in rows] == PROG_TYPE_NAMES
    assert [line.split()[0] for line in command("types").out.splitlines()] == PROG_TYPE_NAMES


def test_types_fit_80_columns_of_a_terminal(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynptr_harness.cli.cases.terminal_width", lambda: 80)
    lines = command("types").out.splitlines()
    assert max(map(len, lines)) <= 80
    events = " ".join(line[min(35, len(line)) :].strip() for line in lines)
    assert all(each.event in events for each in PROG_TYPES)


def test_the_types_of_a_result_fit_80_columns(command: Command) -> None:
    for baseline in sorted((Path(__file__).parents[3] / "baselines").glob("*.json")):
        text = command("types", "--result", str(baseline)).out
        assert max(map(len, text.splitlines())) <= 80, baseline
        assert text.splitlines()[1].split() == [
            "program",
            "type",
            "listed",
            "loaded",
            "attached",
            "fired",
            "ok",
        ]


def test_the_catalogue_is_listed_as_text_and_as_json(command: Command) -> None:
    made = json.loads(command("cases", "--json").out)
    assert [row["case"] for row in made["cases"]] == [case.id for case in CASES]
    assert {row["case"]: row["reason"] for row in made["exceptions"]} == NOT_TESTED
    lines = command("cases").out.splitlines()
    assert lines[0].split() == ["ID", "GROUP", "TYPES", "LOADERS", "TITLE"]
    assert [line.split()[0] for line in lines[1 : len(CASES) + 1]] == [case.id for case in CASES]
    assert command("cases", "list").out.splitlines() == lines


@pytest.mark.parametrize(
    ("arguments", "first", "group"),
    [
        (["cmt-00[12]"], "CMT-001", "CMT"),
        (["--group", "WKP"], "WKP-001", "WKP"),
        (["-g", "wk*", "*-002"], "WKP-002", "WKP"),
        (["list", "CMT-002", "--json"], "CMT-002", "CMT"),
    ],
)
def test_cases_are_selected_by_id_and_group(
    command: Command, arguments: list[str], first: str, group: str
) -> None:
    made = json.loads(command("cases", *(each for each in arguments if each != "--json"), "--json").out)
    assert made["cases"][0]["case"] == first
    assert {row["group"] for row in made["cases"]} == {group}


def test_a_case_is_shown_with_steps_reason_and_program(command: Command) -> None:
    ended = command("cases", "show", "ver-001", "CMT-002")
    assert ended.status == 0, ended
    by_id = {case.id: case for case in CASES}
    for words in (
        "VER-001  ", "load ver_001 -> ", "int ver_001(void *ctx)", "int ver_001_accepted(void *ctx)",
        "CMT-002  ", "trigger the event", "run_step, bpf_src/steps.c",
        by_id["VER-001"].source, by_id["CMT-002"].source,
    ):  # fmt: skip
        assert words in ended.out
    assert "\x1b" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "RSV-0111"], ["no case 'RSV-0111'", "did you mean RSV-011"]),
        (["show"], ["CASE"]),
        (["RSW-*"], ["no case 'RSW-*'"]),
        (["shwo", "RSV-011"], ["no case 'shwo'"]),
        (["--group", "RSW"], ["no group 'RSW'", "did you mean RSV"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_an_unknown_case_is_wrong_usage(command: Command, arguments: list[str], words: list[str]) -> None:
    ended = command("cases", *arguments)
    assert ended.status == 2
    assert all(word in ended.err for word in words), ended.err
    assert not ended.out


def test_a_requirement_without_a_case_shows_its_reason(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynptr_harness.conformance.loader.NOT_TESTED", {"RSV-999": "nobody can see it"})
    assert "RSV-999  nobody can see it" in command("cases", "RSV-99*").out
    assert command("cases", "show", "RSV-999").out == "RSV-999  no case of its own: nobody can see it\n"


@pytest.mark.parametrize("arguments", [["run"], ["cases"], ["cases", "show", "RSV-001"]])
def test_an_invalid_row_is_one_message_and_boots_nothing(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    wrong = (sample_case("VER-900"), sample_case("VER-900", types=("KPROBES",)))
    monkeypatch.setattr("dynptr_harness.conformance.loader.CASES", wrong)
    ended = command(*arguments)
    assert ended.status == 2
    assert ended.err.startswith("dynptr-harness: the catalogue is wrong\n  VER-900: 2 rows have this ID\n")
    assert "VER-900: there is no C function 'ver_900' in bpf_src" in ended.err
    assert "VER-900: there is no program type 'KPROBES'" in ended.err
    assert not ended.out
    assert not command.prepared
    assert not command.booted


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([State.OK], 0),
        ([State.OK, State.WARN], 0),
        ([State.WARN, State.FAIL, State.OK], 3),
    ],
)
def test_doctor_shows_every_check_and_fails_if_one_fails(
    command: Command, monkeypatch: pytest.MonkeyPatch, states: list[State], status: int
) -> None:
    findings = [CheckResult(f"check {n}", state, f"fact {n}", f"mend {n}") for n, state in enumerate(states)]
    monkeypatch.setattr("dynptr_harness.commands.doctor.examine", lambda *_: iter(findings))
    ended = command("doctor")
    assert ended.status == status
    words = ended.out.split()
    for number, state in enumerate(states):
        assert f"check {number}  {state.upper()}" in ended.out
        assert f"fact {number}" in ended.out
        assert f"-> mend {number}" in ended.out
    assert words.count("FAIL") == states.count(State.FAIL)


@pytest.mark.parametrize(
    ("offered", "words"),
    [
        (completion.prog_types("lwt_o"), ["LWT_OUT"]),
        (completion.prog_types("Y"), []),
        (completion.groups("r"), ["RSV"]),
    ],
)
def test_completion_offers_the_catalogue(offered: list[tuple[str, str]], words: list[str]) -> None:
    assert [word for word, _meaning in offered] == words


def test_completion_ignores_the_case_of_letters() -> None:
    assert completion.cases("rsv-") == [(case.id, case.title) for case in CASES if case.id.startswith("RSV-")]


def shell(arguments: str, **environment: str) -> str:
    """Return the completions of bash after these words."""
    words = f"dynptr-harness {arguments}"
    return subprocess.run(
        [sys.executable, "-m", "dynptr_harness"],
        env={
            **os.environ,
            "_DYNPTR_HARNESS_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout


def test_the_shell_completes_types() -> None:
    assert shell("run --prog-type RAW_").split() == ["RAW_TRACEPOINT", "RAW_TRACEPOINT_WRITABLE"]


LISTING = """
import sys
from dynptr_harness import cli
try:
    cli.main()
finally:
    print(*({"asyncio", "junitparser", "pygments", "qemu", "rich"} & sys.modules.keys()), file=sys.stderr)
"""


def test_lists_do_not_import_the_modules_of_a_run() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", LISTING, "cases", "RSV-001"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "RSV-001" in listed.stdout
    assert listed.stderr.split() == []


@pytest.mark.parametrize(
    ("arguments", "offered"),
    [
        ("cases s", ["show"]),
        ("cases --js", ["--json"]),
        ("cases show CMT-001", ["CMT-001"]),
    ],
)
def test_the_shell_completes_after_cases(arguments: str, offered: list[str]) -> None:
    assert shell(arguments).split() == offered


def test_the_shell_completes_keywords_without_a_known_kernel(tmp_path: Path) -> None:
    words = shell("run --kernel ", DYNPTR_HARNESS_CACHE=str(tmp_path)).split()
    assert words == ["all", "oldest", "newest"]


SLOW = """
import asyncio, sys
from types import SimpleNamespace
from dynptr_harness import cli
from dynptr_harness.vm import launcher
from dynptr_harness.vm import qemu
from tests.unit.samples import FakeGuest, subject

async def wait():
    print("waiting", file=sys.stderr, flush=True)
    await asyncio.sleep(60)

async def boot(*_, **__):
    return FakeGuest({2: wait})

def prepare(*_, **__):
    if sys.argv[-1] == "--quiet":
        import time
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(60)
    return [subject()], SimpleNamespace(packages={})

launcher.prepare = prepare
qemu.version = lambda: "10.0.2"
launcher.Snapshots.start = boot
cli.main()
"""


def interrupted(number: signal.Signals, folder: Path, *arguments: str) -> Ended:
    """Run the command in a separate process, and send it a signal once it waits for a machine."""
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            SLOW,
            "run",
            "-t",
            "LSM",
            "-c",
            "CMT*",
            "--jobs=1",
            "--json",
            str(folder / "r.json"),
            *arguments,
        ],
        env={**os.environ, "DYNPTR_HARNESS_CACHE": str(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        heard = ""
        while "waiting" not in heard:
            line = process.stderr.readline()
            assert line, heard
            heard += line
        began = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - began < 5
    return Ended(process.returncode, out, heard + err)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_run_writes_the_results_so_far(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    ended = interrupted(number, tmp_path)
    assert ended.status == status, ended
    planned = len(make(PROG_TYPES, CASES, ["LSM"], ["CMT*"]).cells)
    assert f"interrupted by {number.name}: {planned} cells planned, 2 run" in ended.out
    assert "Traceback" not in ended.err
    made = json.loads((tmp_path / "r.json").read_text())
    Draft202012Validator(schema()).validate(made)
    assert made["run"]["ended"] == f"interrupted by {number.name}"
    assert [cell["verdict"] for cell in made["cells"]] == ["pass"] * 2 + [Verdict.NOT_RUN] * (planned - 2)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_the_first_boot_is_one_line(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    ended = interrupted(number, tmp_path, "--quiet")
    assert ended == Ended(status, "", f"waiting\ndynptr-harness: interrupted by {number.name}\n")
    assert not (tmp_path / "r.json").exists()
