"""Several workers share the kernels, and a failure of one does not affect the others."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import make
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.progress import Silent
from dynptr_harness.runner import collector, quarantine, runner
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.parallelism import CpuSlot
from dynptr_harness.runner.timing import Timed
from dynptr_harness.vm.failures import FailureKind, MachineFailed

from tests.unit.samples import FACTS, FakeGuest, sample_case, subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynptr_harness.conformance.plan import Plan
    from dynptr_harness.vm.prepare import PreparedKernel

FIRST, SECOND, THIRD = "6.12.1", "7.2.1", "7.3.1"
PLAN = make(PROG_TYPES, CASES, ["KPROBE", "LSM", "SYSCALL"], ["CMT-00[12]", "VER-001"])
CELLS = len(PLAN.cells)
ONE_BY_ONE = make(PROG_TYPES, [sample_case(f"AAA-0{n:02}") for n in range(12)], ["LSM"])
ALIKE = [sample_case(f"AAA-00{n}", experiment=sample_case("AAA-001").experiment) for n in (1, 2)]


def failed(kind: FailureKind) -> MachineFailed:
    return MachineFailed(kind, f"the {kind}", tail=f"console of the {kind}", console=Path("/runs/1/lost.txt"))


class Shown(Silent):
    """Progress that records its lines."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, line: str) -> None:
        self.told.append(line)


class Guest(FakeGuest):
    """A machine that lets other machines run before it replies."""

    yard: Yard
    release: str

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        await asyncio.sleep(0)
        what = self.yard.trouble(self.release, request)
        if isinstance(what, Exception):
            self.closed = True
            raise what
        return await super().ask(request, deadline)


class Yard:
    """Starts machines, and records them.

    Attributes:
        most: maximum number of machines at the same time.
        up: kernels with a machine that is up.
        side_by_side: True if a machine was started before the first one of its kernel was up.
        can_take_turns: True if the vCPUs of a machine take turns when requested.
    """

    def __init__(self) -> None:
        self.machines: list[Guest] = []
        self.most = 0
        self.starts: Counter[str] = Counter()
        self.up: set[str] = set()
        self.trouble: Callable[[str, dict[str, Any]], Exception | None] = lambda _release, _request: None
        self.no_boot: Callable[[str, int], bool] = lambda _release, _number: False
        self.shown = Shown()
        self.can_take_turns = True
        self.side_by_side = False

    async def boot(self, subject: PreparedKernel, folder: Path, *, round_robin: bool) -> Guest:
        release = subject.kernel.release
        self.starts[release] += 1
        number = self.starts[release]
        self.side_by_side |= number > 1 and release not in self.up
        await asyncio.sleep(0)
        if self.no_boot(release, number):
            raise failed(FailureKind.BOOT)
        self.up.add(release)
        guest = Guest(facts={**FACTS, "release": release}, console=folder / "console.txt")
        guest.yard, guest.release = self, release
        guest.round_robin = round_robin and self.can_take_turns
        self.machines.append(guest)
        self.most = max(self.most, len(self.living))
        return guest

    @property
    def living(self) -> list[Guest]:
        return [machine for machine in self.machines if not machine.closed]

    def ask(self, *releases: str, plan: Plan = PLAN, **options: Any) -> runner.RunOutcome:
        outcome = runner.run(
            [subject(release) for release in releases],
            plan,
            boot=self.boot,
            folder=Path("/runs/1"),
            progress=Timed(self.shown),
            qemu="10.0.2",
            guest_packages={},
            **options,
        )
        assert not self.living
        assert not (self.side_by_side and "first_alone" not in options)
        return outcome

    def requests(self, release: str) -> list[dict[str, Any]]:
        return [
            request for machine in self.machines if machine.release == release for request in machine.asked
        ]


@pytest.fixture
def yard() -> Yard:
    return Yard()


def keys(outcome: runner.RunOutcome) -> list[tuple[str, ...]]:
    return [(cell.kernel, cell.prog_type, cell.case, cell.loader) for cell in outcome.result.cells]


def verdicts(outcome: runner.RunOutcome) -> list[Verdict]:
    return [cell.verdict for cell in outcome.result.cells]


@pytest.mark.parametrize("isolation", Isolation)
@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
@pytest.mark.parametrize("releases", [[FIRST], [FIRST, SECOND, THIRD]])
def test_the_number_of_workers_does_not_change_the_result(
    yard: Yard, releases: list[str], jobs: int, isolation: Isolation
) -> None:
    outcome = yard.ask(*releases, jobs=jobs, isolation=isolation)
    assert keys(outcome) == [(release, *cell.key) for release in releases for cell in PLAN.cells]
    assert set(verdicts(outcome)) == {Verdict.PASS}
    assert yard.most <= jobs
    for kernel in outcome.result.run.kernels:
        assert kernel.boots == yard.starts[kernel.release] == len(set(kernel.consoles))
        assert len(yard.requests(kernel.release)) == CELLS


def test_two_workers_share_one_kernel(yard: Yard) -> None:
    (kernel,) = yard.ask(FIRST, jobs=2).result.run.kernels
    assert kernel.boots == 2
    assert all(len(machine.asked) >= CELLS // 3 for machine in yard.machines)


FLOODED = make(PROG_TYPES, CASES, ["SYSCALL", "TRACEPOINT"], ["CMT-00[12]", "LOD*"])
ALONE = CpuSlot(round_robin=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stress_test_gets_a_machine_with_parallel_vcpus(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    monkeypatch.setattr(runner, "cpu_slots", lambda jobs: [ALONE] * jobs)
    outcome = yard.ask(FIRST, jobs=jobs, plan=FLOODED)
    assert set(verdicts(outcome)) == {Verdict.PASS}
    kinds = {turns: set[str]() for turns in (True, False)}
    for machine in yard.machines:
        kinds[machine.round_robin] |= {request["kind"] for request in machine.asked}
    assert kinds == {True: {"script"}, False: {"flood"}}
    assert len(yard.machines) == jobs + 1


def test_a_machine_with_parallel_vcpus_is_reused_for_stress_tests(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "cpu_slots", lambda jobs: [ALONE] * jobs)
    yard.can_take_turns = False
    yard.ask(FIRST, plan=FLOODED)
    assert len(yard.machines) == 1


def test_each_worker_starts_with_a_different_kernel(yard: Yard) -> None:
    yard.ask(FIRST, SECOND, jobs=2)
    assert [machine.release for machine in yard.machines[:2]] == [FIRST, SECOND]


def test_machines_without_snapshots_start_in_parallel(yard: Yard) -> None:
    outcome = yard.ask(FIRST, jobs=2, first_alone=lambda _subject: False)
    assert yard.side_by_side
    assert yard.starts[FIRST] == 2
    assert set(verdicts(outcome)) == {Verdict.PASS}


def test_nothing_runs_if_no_machine_starts(yard: Yard) -> None:
    yard.no_boot = lambda _release, _number: True
    outcome = yard.ask(FIRST, jobs=2, first_alone=lambda _subject: False)
    assert yard.starts[FIRST] == 2
    assert verdicts(outcome) == [Verdict.NOT_RUN] * CELLS
    assert outcome.result.run.kernels[0].stopped == "the guest did not boot: the boot"


def test_a_failed_first_boot_prevents_further_ones(yard: Yard) -> None:
    yard.no_boot = lambda _release, _number: True
    outcome = yard.ask(FIRST, jobs=3)
    assert yard.starts[FIRST] == 1
    assert verdicts(outcome) == [Verdict.NOT_RUN] * CELLS
    assert outcome.result.run.kernels[0].stopped == "the guest did not boot: the boot"


def test_other_workers_continue_after_a_failed_start(yard: Yard) -> None:
    yard.no_boot = lambda _release, number: number > 1
    outcome = yard.ask(FIRST, jobs=3)
    assert verdicts(outcome) == [Verdict.PASS] * CELLS
    assert yard.starts[FIRST] == 3
    assert [line for line in yard.shown.told if "did not start" in line] == [
        f"{FIRST}: a machine did not start, the run continues on {left}: the guest did not boot: the boot"
        for left in ("2 other machines", "1 other machine")
    ]
    assert len(outcome.result.run.kernels[0].consoles) == 3


def test_a_kernel_stops_without_any_machine(yard: Yard) -> None:
    yard.no_boot = lambda _release, number: number > 1
    yard.trouble = lambda _release, request: (
        failed(FailureKind.CRASH) if request.get("functions") == ["ver_001", "ver_001_accepted"] else None
    )
    outcome = yard.ask(FIRST, SECOND, jobs=2)
    first = [cell.verdict for cell in outcome.result.cells if cell.kernel == FIRST]
    assert first.count(Verdict.CRASH) == 1
    assert Verdict.NOT_RUN in first
    assert outcome.result.run.kernels[0].stopped == "no fresh machine: the guest did not boot: the boot"


def test_losses_of_all_workers_count_together(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "LOSSES_IN_A_ROW", 3)
    yard.trouble = lambda release, _request: failed(FailureKind.CRASH) if release == FIRST else None
    outcome = yard.ask(FIRST, SECOND, jobs=2)
    first, second = outcome.result.run.kernels
    assert first.stopped == "3 machines were lost in a row"
    assert first.last_console == "console of the crash"
    assert second.stopped is None
    cells = {kernel: [cell.verdict for cell in outcome.result.cells if cell.kernel == kernel]
             for kernel in (FIRST, SECOND)}  # fmt: skip
    # a request in flight when the kernel was stopped also has a verdict
    assert 3 <= cells[FIRST].count(Verdict.CRASH) <= 4
    assert cells[SECOND] == [Verdict.PASS] * CELLS


def test_an_answer_resets_the_count_of_losses(yard: Yard) -> None:
    asked = 0

    def trouble(_release: str, _request: dict[str, Any]) -> Exception | None:
        nonlocal asked
        asked += 1
        return failed(FailureKind.HANG) if asked % 3 else None

    yard.trouble = trouble
    outcome = yard.ask(FIRST, plan=ONE_BY_ONE)
    assert verdicts(outcome) == [Verdict.HANG, Verdict.HANG, Verdict.PASS] * 4
    assert outcome.result.run.kernels[0].stopped is None


@pytest.mark.parametrize(
    ("isolation", "machines"), [(Isolation.RUN, 1), (Isolation.TYPE, 3), (Isolation.CASE, CELLS)]
)
def test_isolation_limits_the_use_of_a_machine(yard: Yard, isolation: Isolation, machines: int) -> None:
    (kernel,) = yard.ask(FIRST, isolation=isolation).result.run.kernels
    assert kernel.boots == machines
    if isolation is Isolation.TYPE:
        types = [{asked["prog_type"] for asked in each.asked} for each in yard.machines]
        assert sorted(types, key=sorted) == [{"KPROBE"}, {"LSM"}, {"SYSCALL"}]


def test_equal_requests_run_once_with_isolated_cases(yard: Yard) -> None:
    outcome = yard.ask(FIRST, plan=make(PROG_TYPES, ALIKE, ["LSM"]), jobs=2, isolation=Isolation.CASE)
    assert verdicts(outcome) == [Verdict.PASS] * 2
    assert len(yard.requests(FIRST)) == 1


def test_unexpected_results_are_shown_during_the_run(yard: Yard) -> None:
    told: list[int] = []

    def trouble(_release: str, request: dict[str, Any]) -> Exception | None:
        told.append(len(yard.shown.told))
        return failed(FailureKind.CRASH) if request["prog_type"] == "SYSCALL" and len(told) == 1 else None

    yard.trouble = trouble
    outcome = yard.ask(FIRST)
    (cell,) = (cell for cell in outcome.result.cells if not cell.ok)
    assert yard.shown.told == [f"CRASH {cell.case} in SYSCALL, {FIRST}: the crash"]
    assert told[:2] == [0, 1]


def test_only_the_first_failures_are_shown_during_the_run(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "SHOWN_EARLY", 2)
    yard.trouble = lambda _release, _request: failed(FailureKind.LOST)
    yard.ask(FIRST)
    assert len(yard.shown.told) == 3
    assert yard.shown.told[-1] == f"{FIRST}: further unexpected results are shown at the end"


def test_a_signal_ends_all_machines(yard: Yard) -> None:
    began = 0.0

    def trouble(_release: str, _request: dict[str, Any]) -> None:
        nonlocal began
        if len(yard.living) == 2 and not began:
            began = time.monotonic()
            os.kill(os.getpid(), signal.SIGINT)

    yard.trouble = trouble
    outcome = yard.ask(FIRST, SECOND, jobs=2)
    assert time.monotonic() - began < 1
    assert yard.most == 2
    assert outcome.exit_status == 130
    assert Verdict.NOT_RUN in verdicts(outcome)
    assert {kernel.stopped for kernel in outcome.result.run.kernels} == {"interrupted by SIGINT"}


def test_an_exception_in_a_worker_ends_the_others(yard: Yard) -> None:
    def trouble(release: str, _request: dict[str, Any]) -> None:
        if release == SECOND:
            raise ZeroDivisionError

    yard.trouble = trouble
    with pytest.raises(ZeroDivisionError):
        yard.ask(FIRST, SECOND, jobs=2)
    assert len(yard.machines) == 2
    assert not yard.living
