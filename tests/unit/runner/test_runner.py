"""If machines fail, every planned cell still has a result, and the run continues."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.case import Difference
from dynptr_harness.conformance.catalogue import PROG_TYPES
from dynptr_harness.conformance.experiments.verifier import Verification, accepted, refused
from dynptr_harness.conformance.plan import make
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import EnvironmentFailed, ExitStatus
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.signals import SIGNALS
from dynptr_harness.runner import quarantine, runner
from dynptr_harness.runner.timing import Timed
from dynptr_harness.vm.agent_client import RequestFailed
from dynptr_harness.vm.failures import FailureKind, MachineFailed

from tests.unit.samples import FACTS, RELEASE, SMALL, FakeGuest, answer, sample_case, subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.plan import Plan
    from dynptr_harness.vm.prepare import PreparedKernel

CELLS = len(SMALL.cells)
OTHER = "7.3.4+deb14-cloud-amd64"
FOLDER = Path("/runs/1")
P, C, H, L, N = Verdict.PASS, Verdict.CRASH, Verdict.HANG, Verdict.LOST, Verdict.NOT_RUN


def failed(kind: FailureKind) -> MachineFailed:
    return MachineFailed(kind, f"the {kind}", tail=f"console of the {kind}", console=Path("/runs/1/lost.txt"))


CRASH, HANG, LOST, NO_BOOT = (
    failed(kind) for kind in (FailureKind.CRASH, FailureKind.HANG, FailureKind.LOST, FailureKind.BOOT)
)


def ask(machines: Sequence[FakeGuest | Exception], *releases: str, plan: Plan = SMALL) -> runner.RunOutcome:
    """Run the plan with these machines, in the order of their boots. Further boots are an error."""
    left = list(machines)

    async def boot(subject: PreparedKernel, folder: Path, *, round_robin: bool) -> FakeGuest:
        del subject, round_robin
        assert folder.parent == FOLDER
        machine = left.pop(0)
        if isinstance(machine, Exception):
            raise machine
        return machine

    outcome = runner.run(
        [subject(release) for release in releases or (RELEASE,)],
        plan,
        boot=boot,
        folder=FOLDER,
        progress=Timed(Silent()),
        qemu="10.0.2",
        guest_packages={"busybox-static": "1"},
    )
    assert not left
    assert all(machine.closed or machine.trouble for machine in machines if isinstance(machine, FakeGuest))
    return outcome


def verdicts(outcome: runner.RunOutcome) -> list[Verdict]:
    return [cell.verdict for cell in outcome.result.cells]


def test_a_correct_kernel_passes_on_one_machine() -> None:
    machine = FakeGuest()
    outcome = ask([machine])
    assert verdicts(outcome) == [P] * CELLS
    assert outcome.exit_status == ExitStatus.AS_EXPECTED
    assert machine.closed
    assert [(cell.prog_type, cell.case) for cell in outcome.result.cells] == [
        (planned.prog_type.name, planned.case.id) for planned in SMALL.cells
    ]
    assert {cell.seconds for cell in outcome.result.cells} == {0.25}


def test_the_provenance_is_complete() -> None:
    outcome = ask([FakeGuest()])
    (kernel,) = outcome.result.run.kernels
    assert (kernel.release, kernel.boots, kernel.accelerator, kernel.stopped) == (RELEASE, 1, "tcg", None)
    assert kernel.guest == FACTS
    assert kernel.consoles == ("/runs/1/console.txt",)
    assert outcome.result.run.qemu == "10.0.2"
    assert (outcome.result.run.jobs, outcome.result.run.isolation) == (1, "run")
    assert outcome.result.run.guest_packages == {"busybox-static": "1"}
    assert [phase.title for phase in outcome.result.run.phases] == [
        f"starting {RELEASE} (tcg)",
        f"running {CELLS} cells on {RELEASE}",
    ]


@pytest.mark.parametrize(
    ("machines", "expected", "boots", "status"),
    [
        ([FakeGuest({2: CRASH}), FakeGuest()], [P, P, C, P, P, P], 2, 1),
        ([FakeGuest({2: HANG}), FakeGuest()], [P, P, H, P, P, P], 2, 1),
        ([FakeGuest({2: LOST}), FakeGuest()], [P, P, L, P, P, P], 2, 3),
        ([FakeGuest({CELLS - 1: CRASH})], [P, P, P, P, P, C], 1, 1),
        ([FakeGuest({0: CRASH}), FakeGuest({0: HANG}), FakeGuest()], [C, H, P, P, P, P], 3, 1),
        ([FakeGuest({0: CRASH}), FakeGuest({1: CRASH}), FakeGuest({1: LOST}), FakeGuest()],
         [C, P, C, L, P, P], 4, 1),
        ([FakeGuest({0: CRASH}), FakeGuest({0: CRASH}), FakeGuest({0: CRASH}), FakeGuest()],
         [C, C, C, P, P, P], 4, 1),
        ([FakeGuest({0: LOST}), FakeGuest({0: LOST}), FakeGuest({0: LOST}), FakeGuest()],
         [L, L, L, P, P, P], 4, 3),
        ([FakeGuest({1: CRASH}), NO_BOOT], [P, C, N, N, N, N], 2, 1),
        ([FakeGuest({1: LOST}), NO_BOOT], [P, L, N, N, N, N], 2, 3),
        ([NO_BOOT], [N] * CELLS, 1, 3),
    ],
)  # fmt: skip
def test_a_lost_machine_costs_only_its_cell(
    machines: list[FakeGuest | Exception], expected: list[Verdict], boots: int, status: int
) -> None:
    outcome = ask(machines)
    assert verdicts(outcome) == expected
    assert outcome.result.run.kernels[0].boots == boots
    assert outcome.exit_status == status
    totals = outcome.result.totals
    assert totals.planned == CELLS == totals.run + totals.not_run


def test_a_lost_cell_has_the_console() -> None:
    cell = ask([FakeGuest({0: CRASH}), FakeGuest()]).result.cells[0]
    assert (cell.seen, cell.console, cell.ok) == ("the crash", "console of the crash", False)
    assert cell.expected == SMALL.cells[0].case.title


def test_a_failed_boot_has_a_reason_and_a_console() -> None:
    (kernel,) = ask([NO_BOOT]).result.run.kernels
    assert kernel.stopped == "the guest did not boot: the boot"
    assert kernel.last_console == "console of the boot"
    assert kernel.consoles == ("/runs/1/lost.txt",)
    assert kernel.accelerator is None


MANY = make(PROG_TYPES, [sample_case(f"{group}-001") for group in ("AAA", "BBB", "CCC", "DDD")], ["KPROBE"])


def test_a_loss_in_each_case_stops_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "LOSSES_IN_A_ROW", 3)
    outcome = ask([FakeGuest({0: CRASH}) for _ in range(3)], plan=MANY)
    (kernel,) = outcome.result.run.kernels
    assert verdicts(outcome) == [C, C, C, N]
    assert kernel.stopped == "3 machines were lost in a row"
    assert kernel.last_console == "console of the crash"


@pytest.mark.parametrize(
    ("budget", "machines", "expected"),
    [
        (2, [CRASH, CRASH, CRASH, CRASH, CRASH], [C, C, C, C, C, N]),
        (1, [CRASH, CRASH, CRASH, CRASH], [C, C, C, C, N, N]),
        (0, [CRASH, CRASH, CRASH], [C, C, C, N, N, N]),
    ],
)
def test_cells_of_lost_cases_may_lose_few_more_machines(
    monkeypatch: pytest.MonkeyPatch, budget: int, machines: list[MachineFailed], expected: list[Verdict]
) -> None:
    monkeypatch.setattr(quarantine, "BUDGET", budget)
    outcome = ask([FakeGuest({0: each}) for each in machines])
    assert verdicts(outcome) == expected
    (kernel,) = outcome.result.run.kernels
    stopped = (
        f"{len(machines)} machines were lost in 3 cases: no more cells of these and of similar cases run"
    )
    assert kernel.stopped == stopped
    assert outcome.result.cells[-1].seen == f"not run: {stopped}"
    assert kernel.last_console == "console of the crash"


def test_a_case_that_crashes_everywhere_costs_only_its_own_cells() -> None:
    cases = [sample_case("AAA-001"), sample_case("AAA-002"), sample_case("BBB-001")]
    plan = make(PROG_TYPES, cases, ["KPROBE", "LSM", "SYSCALL"])
    crashing = cases[1].experiment.request()["functions"]

    class Crashing(FakeGuest):
        async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
            if request["functions"] == crashing:
                self.closed = True
                raise CRASH
            return await super().ask(request, deadline)

    outcome = ask([Crashing() for _ in range(3)], plan=plan)
    assert {(cell.case, cell.verdict) for cell in outcome.result.cells} == {
        ("AAA-001", P), ("AAA-002", C), ("BBB-001", P)
    }  # fmt: skip


def test_a_failed_later_boot_has_its_own_reason() -> None:
    result = ask([FakeGuest({0: CRASH}), NO_BOOT]).result
    stopped = "no fresh machine: the guest did not boot: the boot"
    assert result.run.kernels[0].stopped == stopped
    assert {cell.seen for cell in result.cells[1:]} == {f"not run: {stopped}"}


def test_a_failed_boot_does_not_stop_other_kernels() -> None:
    outcome = ask([NO_BOOT, FakeGuest(facts={**FACTS, "release": OTHER})], RELEASE, OTHER)
    assert verdicts(outcome) == [N] * CELLS + [P] * CELLS
    assert outcome.exit_status == ExitStatus.ENVIRONMENT_FAILED


def test_an_agent_failure_costs_one_cell() -> None:
    machine, fresh = FakeGuest({1: RequestFailed("Traceback\nKeyError: 'x'")}), FakeGuest()
    outcome = ask([machine, fresh])
    assert verdicts(outcome) == [P, L, P, P, P, P]
    assert outcome.result.cells[1].seen == "the agent failed: KeyError: 'x'"
    assert outcome.result.cells[1].log == "Traceback\nKeyError: 'x'"
    assert outcome.exit_status == ExitStatus.ENVIRONMENT_FAILED
    assert (len(machine.asked), len(fresh.asked)) == (2, 4)


def test_agent_failures_do_not_stop_the_kernel() -> None:
    machines = [FakeGuest({0: RequestFailed("Traceback\nKeyError: 'x'")}) for _ in range(CELLS)]
    assert verdicts(ask(machines)) == [L] * CELLS


EXPERIMENT = sample_case("AAA-001").experiment
ALIKE = [sample_case(f"AAA-00{number}", experiment=EXPERIMENT) for number in (1, 2, 3)]
ANOTHER = sample_case("BBB-001")


def unexpected_groups(*cases: Case, types: Sequence[str] = ("KPROBE",)) -> Plan:
    return make(PROG_TYPES, cases, types)


def test_equal_requests_run_and_count_once() -> None:
    machine = FakeGuest()
    cells = ask([machine], plan=unexpected_groups(ALIKE[0], ANOTHER, *ALIKE[1:])).result.cells
    assert len(machine.asked) == 2
    assert [cell.seconds for cell in cells] == [0.25, 0.25, 0.0, 0.0]
    assert {cell.verdict for cell in cells} == {P}


def test_each_type_and_loader_has_its_own_request() -> None:
    machine = FakeGuest()
    by_both = sample_case("AAA-001", loaders=("bcc", "libbpf"))
    cells = ask([machine], plan=unexpected_groups(by_both, types=["SYSCALL", "LSM"])).result.cells
    assert [(cell.prog_type, cell.loader) for cell in cells] == [
        ("LSM", "bcc"),
        ("SYSCALL", "bcc"),
        ("SYSCALL", "libbpf"),
    ]
    asked = [(request["prog_type"], request["loader"]) for request in machine.asked]
    assert sorted(asked) == [(cell.prog_type, cell.loader) for cell in cells]


def test_an_observation_is_judged_for_each_case() -> None:
    right = answer(unexpected_groups(ALIKE[0]).cells[0].request)
    programs = (refused("aaa_001", 22, "another reason"), accepted("aaa_001_accepted"))
    other = replace(ALIKE[1], experiment=Verification(programs, "file"))
    assert other.experiment.request() == EXPERIMENT.request()
    assert verdicts(ask([FakeGuest({0: right})], plan=unexpected_groups(ALIKE[0], other))) == [
        P,
        Verdict.FAIL,
    ]


def test_an_expected_difference_has_a_reason() -> None:
    programs = (refused("aaa_001", 22, "another reason"), accepted("aaa_001_accepted"))
    newest = Verification(programs, "file")
    case = replace(
        ALIKE[0], experiment=newest, differences=(Difference(EXPERIMENT, "before v6.19", (6, 19)),)
    )
    (cell,) = ask([FakeGuest()], plan=unexpected_groups(case)).result.cells
    assert (cell.verdict, cell.ok, cell.reason) == (Verdict.EXPECTED_DIFFERENCE, True, "before v6.19")
    assert cell.expected != cell.seen


@pytest.mark.parametrize(("trouble", "verdict"), [(CRASH, C), (HANG, H), (LOST, L)])
def test_a_crash_counts_for_all_cells_of_a_request(trouble: MachineFailed, verdict: Verdict) -> None:
    second = FakeGuest()
    cells = ask([FakeGuest({0: trouble}), second], plan=unexpected_groups(*ALIKE, ANOTHER)).result.cells
    assert [cell.verdict for cell in cells] == [verdict, verdict, verdict, P]
    assert {cell.console for cell in cells[:3]} == {trouble.tail}
    assert len(second.asked) == 1


@pytest.mark.parametrize("reply", [{"functions": 7}, {"refused": {}}, {"refused": {"errno": "x"}}])
def test_an_unknown_reply_is_not_a_pass(reply: dict[str, Any]) -> None:
    outcome = ask([FakeGuest({1: reply})])
    assert verdicts(outcome) == [P, L, P, P, P, P]
    assert "the reply cannot be judged" in outcome.result.cells[1].seen
    assert "Traceback" in str(outcome.result.cells[1].log)


WARNING = "WARNING: CPU: 0 PID: 1 at kernel/bpf/ringbuf.c:1 bpf_ringbuf_reserve+0x1/0x2"
WARNED = {"splats": [WARNING], "console": f"[ 1.0] {WARNING}\nCall Trace:"}


def test_a_kernel_warning_fails_the_cell() -> None:
    right = answer(unexpected_groups(ALIKE[0]).cells[0].request)
    machine = FakeGuest({0: {**right, **WARNED}})
    first, second = ask([machine], plan=unexpected_groups(ALIKE[0], ANOTHER)).result.cells
    assert (first.verdict, first.ok, first.seen) == (Verdict.FAIL, False, WARNING)
    assert first.console == WARNED["console"]
    assert (second.verdict, second.console) == (P, None)
    assert machine.asked[1] == {"kind": "forget_warnings"}
    assert len(machine.asked) == 3


def test_a_warning_counts_even_if_the_agent_fails() -> None:
    machine = FakeGuest({0: RequestFailed("Traceback\nOSError: no", WARNED)})
    first, second = ask([machine, FakeGuest()], plan=unexpected_groups(ALIKE[0], ANOTHER)).result.cells
    assert (first.verdict, first.seen) == (Verdict.FAIL, f"{WARNING}; the agent failed: OSError: no")
    assert (first.log, first.console) == ("Traceback\nOSError: no", WARNED["console"])
    assert second.verdict is P


def test_the_run_continues_without_warning_reset() -> None:
    right = answer(unexpected_groups(ALIKE[0]).cells[0].request)
    machine = FakeGuest({0: {**right, **WARNED}, 1: RequestFailed("no such file")})
    assert verdicts(ask([machine], plan=unexpected_groups(ALIKE[0], ANOTHER))) == [Verdict.FAIL, P]


def test_warnings_outside_of_cells_are_in_the_provenance() -> None:
    right = answer(unexpected_groups(ALIKE[0]).cells[0].request)
    machine = FakeGuest({0: {**right, **WARNED}}, splats=["at boot"])

    async def late() -> None:
        machine.splats.append("late")

    machine.trouble[2] = late
    (kernel,) = ask([machine], plan=unexpected_groups(ALIKE[0], ANOTHER)).result.run.kernels
    assert kernel.splats == ("at boot", "late")


def test_the_provenance_counts_snapshot_starts() -> None:
    machines = [FakeGuest({0: CRASH}), FakeGuest({0: CRASH}, restored=True), FakeGuest(restored=True)]
    (kernel,) = ask(machines).result.run.kernels
    assert (kernel.boots, kernel.restores) == (3, 2)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"release": OTHER}, f"the guest runs Linux {OTHER}, not {RELEASE}"),
        ({"accelerator": "kvm"}, "QEMU was started with tcg, but the guest measures kvm"),
    ],
)
def test_a_wrong_guest_is_not_used(facts: dict[str, str], why: str) -> None:
    machine = FakeGuest(facts={**FACTS, **facts})
    outcome = ask([machine])
    assert not machine.asked
    assert machine.closed
    assert outcome.result.run.kernels[0].stopped == why
    assert outcome.exit_status == ExitStatus.ENVIRONMENT_FAILED


def test_an_environment_failure_stops_only_its_kernel() -> None:
    outcome = ask([EnvironmentFailed("QEMU is too old")])
    assert outcome.result.run.kernels[0].stopped == "QEMU is too old"
    assert verdicts(outcome) == [N] * CELLS


def send(number: signal.Signals) -> Callable[[], Any]:
    async def trouble() -> None:
        os.kill(os.getpid(), number)
        await asyncio.sleep(30)

    return trouble


@pytest.fixture
def handler() -> Iterator[Callable[..., None]]:
    """Install a handler for every signal, like the command."""

    def ours(_number: int, _frame: object) -> None:
        raise AssertionError("a signal came past the event loop")

    before = {number: signal.signal(number, ours) for number in SIGNALS}
    yield ours
    for number, old in before.items():
        signal.signal(number, old)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_machine_and_keeps_results(
    number: signal.Signals, handler: Callable[..., None]
) -> None:
    machine = FakeGuest({2: send(number)})
    began = time.monotonic()
    outcome = ask([machine], RELEASE, OTHER)
    assert time.monotonic() - began < 5
    assert machine.closed
    assert verdicts(outcome) == [P, P, N, N, N, N] + [N] * CELLS
    assert outcome.result.run.ended == f"interrupted by {number.name}"
    assert outcome.result.cells[2].seen == f"not run: interrupted by {number.name}"
    assert outcome.exit_status == 128 + number
    assert [signal.getsignal(each) for each in SIGNALS] == [handler] * len(SIGNALS)


def test_an_exception_ends_the_machine() -> None:
    machine = FakeGuest()

    async def boot(subject: PreparedKernel, folder: Path, *, round_robin: bool) -> FakeGuest:
        del subject, folder, round_robin
        return machine

    class Broken(Timed):
        def phase(self, title: str) -> Any:
            if title.startswith("running"):
                raise ZeroDivisionError
            return super().phase(title)

    with pytest.raises(ZeroDivisionError):
        runner.run(
            [subject()],
            SMALL,
            boot=boot,
            folder=FOLDER,
            progress=Broken(Silent()),
            qemu="",
            guest_packages={},
        )
    assert machine.closed
