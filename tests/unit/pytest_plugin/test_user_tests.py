"""Users' tests with fake machines: options, short errors, skips and types."""

from __future__ import annotations

import dataclasses
import inspect
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness import pytest_plugin
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.pytest_plugin.machine_session import MachineSession
from dynptr_harness.vm.failures import FailureKind, MachineFailed
from dynptr_harness.vm.launcher import Options

from tests.unit.samples import FakeGuest, cell, subject

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["pytester"]

GUIDE = Path(__file__).parents[3] / "docs/guide.md"
CRASH = MachineFailed(FailureKind.CRASH, "Kernel panic", tail="BUG", console=Path("/runs/1/console.txt"))
OPTIONS = [
    *("--modules=mods", "--append=nokaslr", "--append=slub_debug=FZ debug", "--accel=tcg"),
    *("--cpus=4", "--memory=2048", "--no-snapshot", "--offline"),
]


class FakeMachines:
    """Replaces `Machines`.

    Attributes:
        guest: the machine, or what its start raises.
        options: the options and settings of the last instance.
    """

    guest: FakeGuest | Exception
    options: tuple[Any, ...]

    def __init__(self, _selectors: list[str], options: Options, *, settings: Any, **_: Any) -> None:
        FakeMachines.options = (options, settings)
        self.kernels = [subject()]

    async def start(self, *_: Any) -> FakeGuest:
        if isinstance(self.guest, Exception):
            raise self.guest
        return self.guest


@pytest.fixture
def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., pytest.RunResult]:
    """Return a function that runs a test file in this process."""
    console = tmp_path / "console.txt"
    console.write_text("the console\n")
    FakeMachines.guest = FakeGuest(console=console)
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dynptr_harness.pytest_plugin.machine_session.Machines", FakeMachines)
    monkeypatch.setattr(
        "dynptr_harness.kernels.choose",
        lambda selectors, **_: [SimpleNamespace(selector=selectors[0], name=selectors[0])],
    )

    def runpytest(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        plugin = ["-p", "no:dynptr_harness", "-p", "dynptr_harness.pytest_plugin.hooks", "-p", "no:asyncio"]
        return pytester.runpytest_inprocess(*plugin, *arguments, ".")

    return runpytest


def test_the_options_of_machines_are_those_of_run(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    run("def test_own(machine): pass", "--kernel=bzImage", *OPTIONS).assert_outcomes(passed=1)
    machine, settings = FakeMachines.options
    assert machine == Options(
        modules=pytester.path / "mods",
        accelerator="tcg",
        append=("nokaslr", "slub_debug=FZ debug"),
        cpus=4,
        memory_mib=2048,
        snapshot=False,
    )
    assert settings.offline


def test_the_defaults_are_those_of_run(run: Callable[..., pytest.RunResult]) -> None:
    run("def test_own(machine): pass").assert_outcomes(passed=1)
    machine, settings = FakeMachines.options
    assert (machine, settings.offline) == (Options(), False)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--append=panic=0", "--append panic=0 is not allowed"),
        ("--cpus=0", "--cpus 0 is not possible"),
        ("--memory=5", "--memory 5 is too little"),
    ],
)
def test_a_wrong_option_is_wrong_usage(
    run: Callable[..., pytest.RunResult], option: str, message: str
) -> None:
    done = run("def test_own(machine): pass", "--kernel=6.12", option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {message}" in done.stderr.str()
    done = run("def test_own(machine): pass", option)
    done.assert_outcomes(errors=1)
    assert message in done.stdout.str()


REFUSED_TEST = """
def test_own(bpf, machine):
    program = bpf.load("own.c", prog_type="xdp")
    with program.attached():
        {body}
"""


@pytest.mark.parametrize(
    ("text", "trouble", "message"),
    [
        (
            'def test_own(bpf): bpf.load("missing.c", prog_type="xdp")',
            {},
            "cannot read *missing.c: No such file or directory",
        ),
        ('def test_own(bpf): bpf.load("own.c")', {}, "*own.c has no SEC(): name a prog_type"),
        (
            'def test_own(bpf): bpf.load("own.c", prog_type="xpd")',
            {},
            "there is no program type 'xpd'",
        ),
        (
            'def test_own(bpf): bpf.load("own.c", prog_type="xdp")',
            {0: {"diagnostics": "own.c:1:1: error: unknown type"}},
            "own.c:1:1: error: unknown type",
        ),
        ('def test_own(bpf): bpf.load("own.bpf.c")', {}, "error: use of undeclared identifier 'x'"),
        ('def test_own(machine): machine.run("true")', {0: CRASH}, "machine crash: Kernel panic"),
        (REFUSED_TEST.format(body="program.fire()"), {3: CRASH}, "machine crash: Kernel panic"),
        (REFUSED_TEST.format(body="program.records()"), {2: CRASH}, "machine crash: Kernel panic"),
        (REFUSED_TEST.format(body="assert False"), {3: CRASH}, "assert False"),
    ],
    ids=[
        "file",
        "SEC",
        "type",
        "clang in the guest",
        "clang",
        "crash",
        "crash while attached",
        "crash at attach",
        "assertion",
    ],
)
def test_an_error_is_short(
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    text: str,
    trouble: dict[int, Any],
    message: str,
) -> None:
    pytester.path.joinpath("own.c").write_text("int f(void *ctx) { return 0; }\n")
    pytester.path.joinpath("own.bpf.c").write_text('__attribute__((section("xdp"))) int f() { return x; }\n')
    replies = [{"file": 0, "programs": {"f": ""}, "diagnostics": ""}, {"program": 0}, {}, {"event": 0}, {}]
    assert isinstance(FakeMachines.guest, FakeGuest)
    FakeMachines.guest.trouble = dict(enumerate(replies)) | trouble
    done = run(text)
    done.assert_outcomes(failed=1)
    shown = done.stdout.str().partition("= FAILURES =")[2].partition("- Captured console")[0]
    assert fnmatch(shown, f"*{message}*"), shown
    assert len(shown.splitlines()) < 20, shown
    for internal in ("dynptr_harness/", "asyncio", "contextlib", "During handling"):
        assert internal not in shown


def test_a_machine_that_does_not_start_is_a_short_error(run: Callable[..., pytest.RunResult]) -> None:
    FakeMachines.guest = EnvironmentFailed("QEMU is not installed", "install it")
    done = run("def test_own(machine): pass")
    done.assert_outcomes(errors=1)
    shown = done.stdout.str().partition("= ERRORS =")[2].partition("= short test")[0].splitlines()
    assert [line for line in shown[2:] if line.strip("=")] == ["QEMU is not installed", "install it"]


def test_an_absent_feature_is_a_skip_with_its_reason(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = cell(verdict=Verdict.ABSENT, reason="bpf_dynptr_copy is in Linux 6.15 and newer")
    monkeypatch.setattr(MachineSession, "answer", lambda *_: absent)
    plugin = ["-p", "no:dynptr_harness", "-p", "dynptr_harness.pytest_plugin.hooks", "-p", "no:asyncio"]
    done = pytester.runpytest_inprocess(*plugin, "--kernel=6.12", "-k", "syscall and CMT-001", "-rs")
    done.assert_outcomes(skipped=2, deselected=done.parseoutcomes()["deselected"])
    assert f"absent on {absent.kernel}: {absent.reason}" in done.stdout.str()
    del run


def public(kind: type) -> dict[str, Any]:
    """Return the public attributes and methods of a class of ours, without those of its bases."""
    names = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
    if dataclasses.is_dataclass(kind):
        names |= {field.name: field for field in dataclasses.fields(kind)}
    return names


@pytest.mark.parametrize("name", pytest_plugin.__all__)
def test_what_fixtures_return_is_typed_and_documented(name: str) -> None:
    kind = getattr(pytest_plugin, name)
    assert kind.__doc__
    assert f"`{name}`" in GUIDE.read_text()
    for member_name, member in public(kind).items():
        target = member.fget if isinstance(member, property) else member
        if inspect.isfunction(target):
            assert inspect.getdoc(target), member_name
            assert "return" in inspect.get_annotations(target), member_name
            continue
        assert f"{member_name}:" in kind.__doc__, member_name


def test_the_package_declares_its_types() -> None:
    assert Path(pytest_plugin.__file__).parents[1].joinpath("py.typed").exists()


def test_there_is_no_other_type() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _ = pytest_plugin.Other
