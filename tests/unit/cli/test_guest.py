"""exec, shell, probe and demo with fake machines: exit statuses, messages and output."""

from __future__ import annotations

import base64
import errno
import json
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from dynptr_harness import cli
from dynptr_harness.commands import user_program
from dynptr_harness.core import subprocesses
from dynptr_harness.core.signals import SIGNALS
from dynptr_harness.vm.failures import FailureKind, MachineFailed

from tests.unit.samples import RELEASE, FakeGuest, subject
from tests.unit.schemas import validated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynptr_harness.vm.prepare import PreparedKernel

CRASH = MachineFailed(FailureKind.CRASH, "Kernel panic", tail="BUG\nend", console=Path("/runs/1/console.txt"))
REFUSED = {"refused": {"errno": 22, "log": "5: (95) exit\nUnreleased reference id=2\nprocessed 9 insns\n"}}
WITHOUT_SECTIONS = "int good(void *ctx) { return 0; }\nint bad(void *ctx) { return 0; }\n"
WITH_SECTIONS = (
    '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC("xdp") int drop(void *ctx) { return 1; }\n'
)


class OwnGuest(FakeGuest):
    """A machine that loads users' programs and runs their commands.

    Attributes:
        loads: for each load in turn: a reply, or an exception to raise. Further loads are accepted.
        programs: the programs in the file, with the section of each.
        compiled: the reply to its compilation.
        spoken: output of a command by stream, followed by its status.
    """

    def __init__(self, *answers: Any, **attributes: Any) -> None:
        super().__init__()
        self.loads = list(answers)
        self.programs: dict[str, str] = {"good": "", "bad": ""}
        self.compiled: dict[str, Any] | None = None
        self.spoken: list[tuple[str, bytes]] = []
        self.status = 0
        vars(self).update(attributes)

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        if request["kind"] != "own":
            return await super().ask(request, deadline)
        self.asked.append(request)
        match request["do"]:
            case "compile":
                return self.compiled or {"file": 0, "programs": self.programs, "diagnostics": "a warning\n"}
            case "load":
                answer = self.loads.pop(0) if self.loads else {"program": 0}
                if isinstance(answer, Exception):
                    raise answer
                return dict(answer)
        return {}

    async def stream(
        self, request: dict[str, Any], heard: Callable[[dict[str, Any]], None], *, silence: float
    ) -> dict[str, Any]:
        assert silence > 0
        self.asked.append(request)
        for stream, data in self.spoken:
            heard({"event": "output", "stream": stream, "data": base64.b64encode(data).decode()})
        return {"status": self.status}


class Ended(NamedTuple):
    """The exit status and output of a command."""

    status: int
    out: str
    err: str


class Command:
    """Runs the command in this process, with fake machines."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.machines: list[FakeGuest] = []
        self.kernels = [RELEASE]
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        monkeypatch.setattr("dynptr_harness.vm.launcher.prepare", self._prepare)
        monkeypatch.setattr(
            "dynptr_harness.kernels.choose", lambda *_, **__: [SimpleNamespace()] * len(self.kernels)
        )
        monkeypatch.setattr("dynptr_harness.vm.launcher.Snapshots.start", self._start)

    def _prepare(self, *_: Any, **__: Any) -> tuple[list[PreparedKernel], Any]:
        return [subject(release) for release in self.kernels], SimpleNamespace(packages={})

    async def _start(self, *_: Any) -> FakeGuest:
        return self.machines.pop(0)

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["dynptr-harness", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(int(ended.value.code or 0), *self._capfd.readouterr())


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Command]:
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(tmp_path / "cache"))
    for name in ("COLUMNS", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield Command(monkeypatch, capfd)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.c"
    path.write_text(WITHOUT_SECTIONS)
    return path


def test_a_command_has_its_own_output_errors_and_status(command: Command) -> None:
    guest = OwnGuest(spoken=[("stdout", b"out\n"), ("stderr", b"err\n")], status=7)
    command.machines = [guest]
    assert command("exec", "-q", "ls", "-l", "--kernel") == Ended(7, "out\n", "err\n")
    assert guest.asked == [{"kind": "exec", "argv": ["ls", "-l", "--kernel"]}]
    assert guest.closed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("shell",), "a shell needs a terminal, and standard input is not one"),
        (("exec", "-k", "all", "ls"), "'all' matches 2 kernels"),
        (("exec", "--tty", "ls"), "exec --tty needs a terminal, and standard input is not one"),
        (("exec", "--share", "/nonexistent", "ls"), "--share /nonexistent is not a directory"),
        (("demo",), "name a demonstration"),
        (("demo", "kprob"), "there is no demonstration 'kprob'"),
        (("probe", "/nonexistent.c"), "cannot read /nonexistent.c: No such file or directory"),
        (("probe", "FILE", "-t", "XPD"), "there is no program type 'XPD'"),
        (("probe", "FILE", "-f", "god"), "has no program 'god'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_impossible_requests_are_one_message(
    command: Command, file: Path, arguments: tuple[str, ...], words: str
) -> None:
    command.kernels = [RELEASE, "6.1.0"]
    command.machines = [OwnGuest()]
    ended = command(*(str(file) if each == "FILE" else each for each in arguments))
    assert ended.status == 2, ended
    assert words in ended.err


def test_probe_shows_each_reason_once(command: Command, file: Path) -> None:
    command.kernels = ["6.1.0-x", RELEASE]
    command.machines = [OwnGuest(REFUSED, REFUSED), OwnGuest()]
    ended = command("probe", "-q", str(file), "-t", "xdp", "-t", "kprobe", "-f", "bad")
    assert ended.status == 1
    assert [line.split() for line in ended.out.splitlines()] == [
        ["program", "loaded", "as", "6.1.0-x", RELEASE],
        ["bad", "KPROBE", "EINVAL", "accepted"],
        ["bad", "XDP", "EINVAL", "accepted"],
        [],
        ["bad", "as", "KPROBE,", "XDP", "on", "6.1.0-x:"],
        ["verifier:", "Unreleased", "reference", "id=2"],
    ]
    assert ended.err == "a warning\n"


def test_all_accepted_is_status_0_and_the_answers_are_there_as_json(command: Command, file: Path) -> None:
    command.machines = [OwnGuest()]
    ended = command("probe", "-q", str(file), "-t", "XDP", "--json")
    assert ended.status == 0
    document = validated("probe", ended.out)
    assert (document["loader"], document["file"]) == ("bcc", str(file))
    assert [(each["function"], each["accepted"]) for each in document["answers"]] == [
        ("good", True),
        ("bad", True),
    ]


def test_a_crash_is_an_answer_and_the_rest_is_loaded(command: Command, file: Path) -> None:
    command.machines = [OwnGuest({"program": 0}, CRASH), OwnGuest({"no_type": True})]
    ended = command("probe", "-q", str(file), "-t", "XDP", "-t", "LSM", "-f", "good", "--json")
    assert ended.status == 1
    answers = [(each["accepted"], each["reason"]) for each in validated("probe", ended.out)["answers"]]
    assert answers == [(True, ""), (False, "crash: Kernel panic")]
    assert command.machines  # all requests were sent


def test_the_minimum_is_the_oldest_kernel_that_accepts(command: Command, file: Path) -> None:
    command.kernels = ["6.1.0-x", RELEASE]
    command.machines = [OwnGuest(REFUSED, {"program": 0}), OwnGuest()]
    ended = command("probe", "-q", str(file), "-t", "XDP", "--minimum")
    assert ended.status == 0, ended
    assert ended.out.splitlines() == [
        "kernels: 6.1, 6.12",
        "",
        "good as XDP: loads from 6.12",
        "  6.1: verifier: Unreleased reference id=2",
        "",
        "bad as XDP: loads from 6.1, the oldest that was asked",
    ]


def test_the_minimum_as_json_has_the_answers_and_matches_the_schema(command: Command, file: Path) -> None:
    command.kernels = ["6.1.0-x", RELEASE]
    command.machines = [OwnGuest(), OwnGuest(REFUSED)]
    ended = command("probe", "-q", str(file), "-t", "XDP", "-f", "good", "--minimum", "--json")
    assert ended.status == 1
    document = validated("probe", ended.out)
    assert len(document["answers"]) == 2
    (program,) = document["minimum"]
    assert (program["oldest"], program["complete"]) == ("6.1.0-x", True)
    assert [each["kernel"] for each in program["changes"]] == [RELEASE]


@pytest.mark.parametrize("answer", [{"program": 0}, REFUSED], ids=["loads", "refused"])
def test_a_kernel_that_does_not_boot_has_no_answer(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
) -> None:
    failed = MachineFailed(FailureKind.BOOT, "no agent", tail="last words", console=Path("/c"))

    async def start(*_: Any) -> OwnGuest:
        if waiting:
            return waiting.pop()
        raise failed

    waiting = [OwnGuest(answer)]
    command.kernels = [RELEASE, "6.1.0-x"]
    monkeypatch.setattr("dynptr_harness.vm.launcher.Snapshots.start", start)
    ended = command("probe", "-q", str(file), "-t", "XDP", "-f", "good", "--minimum")
    assert ended.status == 3
    assert ended.out.splitlines()[-1] == "6.1 not answered: the guest did not boot: no agent"
    assert "last words" in ended.err


def test_a_minimum_without_kernels_that_answer_is_status_3(command: Command, file: Path) -> None:
    lost = MachineFailed(FailureKind.LOST, "QEMU was ended by SIGKILL", tail="last words", console=Path("/c"))
    command.machines = [OwnGuest(lost)]
    ended = command("probe", "-q", str(file), "-t", "XDP", "--minimum", "--json")
    assert ended.status == 3
    document = validated("probe", ended.out)
    assert (document["answers"], document["minimum"]) == ([], [])
    assert [each["kernel"] for each in document["not_answered"]] == [RELEASE]


def test_several_files_share_a_machine_and_the_answers_name_them(
    command: Command, file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.bpf.c"
    other.write_text(WITH_SECTIONS)
    command.machines = [OwnGuest(programs={"drop": "xdp"})]
    ended = command("probe", "-q", str(other), str(file), "-t", "XDP", "--json")
    assert ended.status == 0, ended
    document = json.loads(ended.out)
    assert document["files"] == [
        {"file": str(other), "loader": "libbpf"},
        {"file": str(file), "loader": "bcc"},
    ]
    assert [each["file"] for each in document["answers"]] == [str(other), str(file)]


def test_files_after_a_crash_are_loaded_on_another_machine(
    command: Command, file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.c"
    other.write_text(WITHOUT_SECTIONS)
    first, second = OwnGuest({"program": 0}, CRASH), OwnGuest()
    command.machines = [first, second]
    ended = command("probe", "-q", str(file), str(other), "-t", "XDP", "--json")
    answers = [
        (each["file"], each["function"], each["refused_by"]) for each in json.loads(ended.out)["answers"]
    ]
    assert answers == [
        (str(file), "good", ""),
        (str(file), "bad", "crash"),
        (str(other), "good", ""),
        (str(other), "bad", ""),
    ]


@pytest.mark.parametrize(
    ("refused", "by", "reason"),
    [
        (
            {"errno": 22, "log": "", "messages": ["libbpf: extern (func ksym) 'x': not found in kernel"]},
            "libbpf",
            "libbpf: extern (func ksym) 'x': not found in kernel",
        ),
        ({"errno": 1, "log": "", "messages": []}, "kernel", "Operation not permitted"),
        ({"errno": 22, "log": "R0 !read_ok\n", "messages": []}, "verifier", "R0 !read_ok"),
    ],
    ids=["libbpf", "kernel", "verifier"],
)
def test_the_json_names_the_refuser(
    command: Command, file: Path, refused: dict[str, Any], by: str, reason: str
) -> None:
    command.machines = [OwnGuest({"refused": refused})]
    ended = command("probe", "-q", str(file), "-t", "XDP", "-f", "good", "--json")
    assert ended.status == 1
    (answer,) = json.loads(ended.out)["answers"]
    assert (answer["refused_by"], answer["errno"], answer["reason"]) == (by, refused["errno"], reason)


def test_a_map_that_is_not_created_refuses_the_file(command: Command, file: Path) -> None:
    line = "could not open bpf map: events, error: Invalid argument"
    refused = {"errno": 22, "log": "", "messages": [line]}
    command.machines = [OwnGuest(compiled={"diagnostics": "", "refused": refused})]
    ended = command("probe", "-q", str(file), "-t", "XDP")
    assert ended.status == 1
    assert ended.out.splitlines()[-1] == f"kernel map creation: {line}"


def test_the_json_has_the_first_error_of_the_compiler(command: Command, file: Path) -> None:
    file.write_text(WITH_SECTIONS + "int x = y;\n")
    ended = command("probe", "-q", str(file), "--json")
    assert ended.status == 2
    (answer,) = json.loads(ended.out)["answers"]
    assert answer["refused_by"] == "compiler"
    assert answer["reason"] == f"{file}:4:9: error: use of undeclared identifier 'y'"


def test_a_lost_machine_is_not_an_answer(command: Command, file: Path) -> None:
    lost = MachineFailed(FailureKind.LOST, "QEMU was ended by SIGKILL", tail="last words", console=Path("/c"))
    command.machines = [OwnGuest(lost)]
    ended = command("probe", "-q", str(file), "-t", "XDP")
    assert ended.status == 3
    assert "last words\ndynptr-harness: machine lost: QEMU was ended by SIGKILL" in ended.err


def test_a_full_disk_for_temporary_files_is_not_an_error_of_the_program(
    command: Command, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    clang = tmp_path / "bin/clang"
    clang.write_text(
        "#!/bin/sh\necho \"error: unable to open output file: 'No space left on device'\" >&2\nexit 1"
    )
    clang.chmod(0o755)
    monkeypatch.setattr(subprocesses, "SEARCH_PATH", f"{clang.parent}:{subprocesses.SEARCH_PATH}")
    file.write_text(WITH_SECTIONS)
    ended = command("probe", "-q", str(file))
    assert ended.status == 3
    assert "No space left on device" in ended.err


def test_no_directory_for_temporary_files_is_not_a_defect(
    command: Command, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    file.write_text(WITH_SECTIONS)
    ended = command("probe", "-q", str(file))
    assert ended.status == 3
    assert "the command cannot continue: No usable temporary directory found" in ended.err


@pytest.mark.parametrize(
    "text", ["int f(void *ctx) { return x; }", '#define SEC(x)\nSEC("xdp") int f() { return x; }']
)
def test_clang_errors_are_shown_unchanged(command: Command, file: Path, text: str) -> None:
    file.write_text(text)
    command.machines = [
        OwnGuest(compiled={"diagnostics": "own.c:1:27: error: use of undeclared identifier 'x'\n"})
    ]
    ended = command("probe", "-q", str(file))
    assert ended.status == 2
    assert "error: use of undeclared identifier 'x'\n" in ended.err
    assert f"dynptr-harness: clang does not compile {file}" in ended.err


@pytest.mark.parametrize(
    ("text", "loader"),
    [
        (WITHOUT_SECTIONS, "bcc"),
        (WITH_SECTIONS, "libbpf"),
        ('// SEC("xdp") is not used here\n', "bcc"),
        ('#define PROGRAM __attribute__((section("xdp")))\n', "bcc"),
    ],
)
def test_the_file_decides_who_compiles_it(file: Path, text: str, loader: str) -> None:
    file.write_text(text)
    assert user_program.UserProgram.read(file).loader == loader


def test_a_demonstration_explains_its_records(command: Command) -> None:
    command.machines = [OwnGuest()]
    ended = command("demo", "-q", "In-Pieces")
    assert ended.status == 0, ended
    assert 'SEC("tracepoint/syscalls/sys_enter_writev")' in ended.out
    assert "writev: 'GET ', '/index.html'" in ended.out
    assert "piece      11 bytes at 20: '/index.html'" in ended.out
    assert f"pass: Linux {RELEASE}" in ended.out


def test_a_demonstration_of_a_type_shows_all_three_phases(command: Command) -> None:
    command.machines = [OwnGuest()]
    ended = command("demo", "-q", "kprobe")
    assert ended.status == 0, ended
    assert "int kprobe_example(struct pt_regs *ctx)" in ended.out
    assert "while the example is attached: the program ran 1 time, 1 record reported by poll" in ended.out
    assert "prog_type  2: BPF_PROG_TYPE_KPROBE" in ended.out


def test_all_demonstrations_are_listed(command: Command) -> None:
    ended = command("demo", "--list")
    assert ended.status == 0
    names = [line.split()[0] for line in ended.out.splitlines()]
    assert {"variable-size", "in-pieces", "kprobe", "lsm"} <= set(names)
    assert len(names) == len(set(names))
