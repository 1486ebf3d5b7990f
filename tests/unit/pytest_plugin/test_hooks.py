"""The pytest plugin with fake machines: its items and their outcomes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.pytest_plugin.xdist import ByKernel
from dynptr_harness.vm.failures import FailureKind, MachineFailed

from tests.unit.samples import RELEASE, FakeGuest, subject

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ["pytester"]

CRASH = MachineFailed(FailureKind.CRASH, "Kernel panic", tail="BUG\nend", console=Path("/runs/1/console.txt"))
LOST = MachineFailed(
    FailureKind.LOST, "QEMU was ended by SIGKILL", tail="", console=Path("/runs/1/console.txt")
)


class FakeMachines:
    """Replaces `Machines`. Each machine has a correct kernel.

    Attributes:
        guests: machines to return first.
        started: selectors of the started machines.
    """

    guests: list[FakeGuest]
    started: list[str]

    def __init__(self, selectors: list[str], *_: Any, **__: Any) -> None:
        self.kernels = [subject()]
        self.directory = Path("/runs/1")
        self._selector = selectors[0]

    async def start(self, *_: Any, **_options: Any) -> FakeGuest:
        self.started.append(self._selector)
        return self.guests.pop(0) if self.guests else FakeGuest()


@pytest.fixture
def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., pytest.RunResult]:
    """Return a function that runs pytest in this process, in an empty project."""
    FakeMachines.guests, FakeMachines.started = [], []
    monkeypatch.setenv("DYNPTR_HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dynptr_harness.pytest_plugin.machine_session.Machines", FakeMachines)
    monkeypatch.setattr(
        "dynptr_harness.kernels.choose",
        lambda selectors, **_: [
            SimpleNamespace(selector=selectors[0], name=name)
            for name in {"all": ["6.1.0", "6.12.0"]}.get(selectors[0], [selectors[0]])
        ],
    )

    def runpytest(*arguments: str) -> pytest.RunResult:
        # load the plugin once, even if it is installed
        plugin = ["-p", "no:dynptr_harness", "-p", "dynptr_harness.pytest_plugin.hooks"]
        return pytester.runpytest_inprocess(*plugin, "-p", "no:asyncio", *arguments)

    return runpytest


def test_items_are_named_by_kernel_type_case_and_loader(run: Callable[..., pytest.RunResult]) -> None:
    done = run("--kernel", "6.12", "-k", "syscall and CMT-001", "--collect-only", "-q")
    assert done.outlines[:2] == [
        "dynptr-harness/6.12/syscall::CMT-001[bcc]",
        "dynptr-harness/6.12/syscall::CMT-001[libbpf]",
    ]
    assert not FakeMachines.started


def test_a_selector_of_several_kernels_is_replaced_by_releases(run: Callable[..., pytest.RunResult]) -> None:
    done = run("--kernel", "all", "-k", "kprobe and not kprobe/ and ATT-001", "--collect-only", "-q")
    assert [line.split("::")[0] for line in done.outlines[:2]] == [
        "dynptr-harness/6.1.0/kprobe",
        "dynptr-harness/6.12.0/kprobe",
    ]


def test_cells_share_a_machine_and_equal_requests(
    run: Callable[..., pytest.RunResult],
) -> None:
    guest = FakeGuest()
    FakeMachines.guests = [guest]
    done = run("--kernel", "6.12", "-k", "kprobe and not kprobe/ and ATT")
    done.assert_outcomes(passed=3, deselected=done.parseoutcomes()["deselected"])
    assert len(guest.asked) == 1
    assert FakeMachines.started == ["6.12"]
    assert guest.closed


def test_a_failure_shows_the_evidence_without_a_traceback(
    run: Callable[..., pytest.RunResult],
) -> None:
    reply = {
        "loader": "bcc",
        "refused": {"errno": 22, "log": "R0 !read_ok"},
        "console": "the end of the console",
    }
    FakeMachines.guests = [FakeGuest({0: reply})]
    done = run("--kernel", "6.12", "-k", "kprobe and not kprobe/ and ATT-002")
    done.assert_outcomes(failed=1, deselected=done.parseoutcomes()["deselected"])
    shown = done.stdout.str()
    for text in (
        "REJECTED ATT-002 in KPROBE by bcc: the event runs the attached example once",
        f"kernel:    {RELEASE}",
        "expected:  the verifier accepts the program",
        "seen:      refused with -22",
        "verifier log:\n    R0 !read_ok",
        "console:\n    the end of the console",
    ):
        assert text in shown
    assert "Traceback" not in shown
    assert ".py:" not in shown


@pytest.mark.parametrize(("failure", "outcome"), [(CRASH, "failed"), (LOST, "errors")])
def test_a_crash_is_a_failure_and_a_lost_machine_an_error(
    run: Callable[..., pytest.RunResult], failure: MachineFailed, outcome: str
) -> None:
    FakeMachines.guests = [FakeGuest({0: failure})]
    done = run("--kernel", "6.12", "-k", "kprobe and not kprobe/ and (CMT-001 or CMT-002)")
    found = done.parseoutcomes()
    assert (found[outcome], found["passed"]) == (1, 1)
    assert len(FakeMachines.started) == 2


def test_with_a_path_only_its_tests_are_collected(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_own(): pass")
    run("--kernel", "6.12", ".").assert_outcomes(passed=1)


def test_own_tests_run_for_each_kernel_and_selected_type(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.prog_types("lsm", "SK_M*")
        def test_own(kernel, prog_type): assert kernel.release
        @pytest.mark.min_kernel("6.13")
        def test_newer_kernels_only(kernel): raise AssertionError
        """
    )
    done = run("--kernel", "6.12", "--kernel", "6.1", ".", "-v")
    done.assert_outcomes(passed=4, skipped=2)
    done.stdout.fnmatch_lines(["*test_own*6.12*lsm*PASSED*"])


def test_an_unknown_kernel_is_wrong_usage(
    run: Callable[..., pytest.RunResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dynptr_harness.core.errors import WrongUsage

    def choose(*_: Any, **__: Any) -> None:
        raise WrongUsage("there is no kernel '9.9'", "'dynptr-harness kernels' lists them")

    monkeypatch.setattr("dynptr_harness.kernels.choose", choose)
    done = run("--kernel", "9.9")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --kernel 9.9: there is no kernel '9.9'" in done.stderr.str()


def test_a_worker_keeps_its_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(
        "xdist.scheduler.loadscope.LoadScopeScheduling._assign_work_unit",
        lambda self, _node: sent.append(self.workqueue.popitem(last=False)[0]),
    )
    scheduler = ByKernel.__new__(ByKernel)
    scheduler._kernels = {}
    scopes = [f"dynptr-harness/{kernel}/{name}" for name in ("lsm", "xdp") for kernel in ("6.1", "6.12")]
    from collections import OrderedDict

    scheduler.workqueue = OrderedDict((scope, {}) for scope in scopes)
    one, other = object(), object()
    for node in (one, other, one, other):
        scheduler._assign_work_unit(node)
    assert [scope.split("/")[1] for scope in sent] == ["6.1", "6.12", "6.1", "6.12"]


def test_a_project_can_have_a_package_named_harness(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    package = pytester.mkpydir("harness")
    package.joinpath("tools.py").write_text("ANSWER = 42\n")
    pytester.syspathinsert()
    pytester.makepyfile(
        """
        from harness import tools

        def test_own(kernel):
            assert tools.ANSWER == 42
            assert kernel.release
        """
    )
    run("--kernel", "6.12", ".").assert_outcomes(passed=1)
    done = run("--kernel", "6.12", "-k", "syscall and CMT-001")
    done.assert_outcomes(passed=2, deselected=done.parseoutcomes()["deselected"])
