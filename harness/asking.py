"""Kernels are booted one after the other and asked cell by cell; every planned cell gets a result."""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from harness import __version__
from harness.conformance.cells import CellResult
from harness.conformance.judge import Judgement, judge
from harness.conformance.verdicts import Verdict
from harness.errors import EnvironmentFailed, HarnessError
from harness.interrupt import until_signal
from harness.report.results import COMPLETE, KernelRun, Provenance, RunResult
from harness.vm.accelerator import confirm
from harness.vm.failures import FailureKind, MachineFailed
from harness.vm.machine import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.interrupt import Interrupted
    from harness.plan import Plan, PlannedCell
    from harness.prepare import Subject
    from harness.report.progress import Timed

CELL_DEADLINE = 60.0  # seconds; a cell takes a fraction of one, and a few on a busy host without KVM
LOSSES_IN_A_ROW = 3  # machines lost one after the other until a kernel is given up

_VERDICTS = {
    FailureKind.CRASH: Verdict.CRASH,
    FailureKind.HANG: Verdict.HANG,
    FailureKind.LOST: Verdict.LOST,
}
_BREAKS = frozenset({Verdict.CRASH, Verdict.HANG})


class Guest(Protocol):
    """What a run needs of a machine; `harness.vm.machine.Machine` is one."""

    facts: dict[str, Any]
    console: Path
    restored: bool

    @property
    def splats(self) -> list[str]:
        """Every line so far in which the kernel complained about itself."""

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """One request, one reply."""

    async def close(self) -> None:
        """End the guest; does nothing when it is gone."""


Boot = Callable[["Subject", "Path"], Awaitable[Guest]]
"""Boots a subject; the folder is for its console."""


@dataclass(frozen=True)
class Outcome:
    """A run that ended: its result, and the signal that ended it before its time."""

    result: RunResult
    interrupted: Interrupted | None = None

    @property
    def exit_status(self) -> int:
        """128 and the signal's number after a signal, else what the result says."""
        return self.interrupted.status if self.interrupted else int(self.result.status)


def ask(
    subjects: Sequence[Subject],
    plan: Plan,
    *,
    boot: Boot,
    folder: Path,
    progress: Timed,
    qemu: str,
    guest_packages: Mapping[str, str],
) -> Outcome:
    """Ask every kernel everything that was planned.

    Whatever happens to machines is in the result: each planned cell has a verdict there, 'not-run' with
    the reason when it could not be asked. A signal ends the run early, and the result says so.

    Args:
        boot: how a machine comes to be.
        folder: gets the consoles.
        progress: its phases, those before this call too, go into the provenance.
        qemu: version of QEMU, for the provenance, as `guest_packages`.
    """
    asked = [_Asked(subject, plan, boot, folder, progress) for subject in subjects]

    async def ask_all() -> None:
        for each in asked:
            await each.run()

    interrupted = asyncio.run(until_signal(ask_all()))
    ended = f"interrupted by {interrupted.name}" if interrupted else COMPLETE
    done = [each.finish(ended) for each in asked]
    provenance = Provenance(
        harness=__version__,
        started=progress.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(progress.elapsed, 3),
        ended=ended,
        qemu=qemu,
        guest_packages=dict(guest_packages),
        kernels=tuple(kernel for kernel, _cells in done),
        phases=progress.phases,
    )
    cells = tuple(cell for _kernel, cells in done for cell in cells)
    return Outcome(RunResult(provenance, cells, planned=len(plan.cells) * len(subjects)), interrupted)


@dataclass(frozen=True)
class _Observation:
    """What came of one request, for every cell that asks the same.

    Attributes:
        reply: the agent's, or None.
        seconds: in the guest; until it was lost where there is no reply.
        verdict, seen, log: as in CellResult, where there is no reply that can be judged.
        console: as in CellResult.
    """

    reply: dict[str, Any] | None = None
    seconds: float = 0.0
    verdict: Verdict = Verdict.LOST
    seen: str = ""
    log: str | None = None
    console: str | None = None


class _Asked:
    """One kernel while it is asked: what has been answered so far, and why it goes no further."""

    def __init__(self, subject: Subject, plan: Plan, boot: Boot, folder: Path, progress: Timed) -> None:
        self._subject = subject
        self._planned = plan.cells
        self._boot_machine = boot
        self._folder = folder
        self._progress = progress
        self._machine: Guest | None = None
        self._facts: dict[str, Any] = {}
        self._boots = 0
        self._restores = 0
        self._splats: dict[str, None] = {}  # outside of requests, in order, each once
        self._warned = False
        self._heard = 0  # how many complaints of the present machine are accounted for
        self._consoles: list[str] = []
        self._cells: list[CellResult] = []
        self._known: dict[str, _Observation] = {}  # by request
        self._stopped: str | None = None
        self._last_console: str | None = None

    async def run(self) -> None:
        """Ask all cells, on a fresh machine after each that was lost, until there is no sense in it."""
        try:
            if await self._boot():
                title = f"asking {self._subject.kernel.release}, {len(self._planned)} cells"
                with self._progress.phase(title) as detail:
                    await self._ask_all(detail)
        finally:
            if self._machine:
                await self._machine.close()
                self._listen(self._machine)

    async def _ask_all(self, detail: Callable[[str], None]) -> None:
        lost_in_a_row = 0
        for number, planned in enumerate(self._planned, 1):
            request = planned.request()
            key = json.dumps(request, sort_keys=True)
            if known := self._known.get(key):
                self._cells.append(self._filled(planned, replace(known, seconds=0.0)))
                continue
            if not self._machine and not await self._boot():
                return
            detail(f"{number}/{len(self._planned)} {planned.prog_type.name} {planned.case.id}")
            observed = self._known[key] = await self._observe(request)
            self._cells.append(self._filled(planned, observed))
            lost_in_a_row = 0 if self._machine else lost_in_a_row + 1
            if not self._machine:  # what it said is asked again on the next, but for what broke it
                self._known = {key: each for key, each in self._known.items() if each.verdict in _BREAKS}
            if lost_in_a_row == LOSSES_IN_A_ROW:
                self._stopped = f"the machine was lost in {LOSSES_IN_A_ROW} cells in a row"
                self._last_console = self._cells[-1].console
                return

    def finish(self, ended: str) -> tuple[KernelRun, list[CellResult]]:
        """Account for the cells that were not run; `ended` is why, where this kernel has no reason itself."""
        missing = self._planned[len(self._cells) :]
        stopped = (self._stopped or ended) if missing else None
        cells = self._cells + [
            self._unanswered(planned, _Observation(verdict=Verdict.NOT_RUN, seen=f"not run: {stopped}"))
            for planned in missing
        ]
        kernel = self._subject.kernel
        return KernelRun(
            selector=self._subject.selector,
            release=kernel.release,
            arch=kernel.arch,
            sha256=kernel.sha256,
            package=kernel.package,
            package_version=kernel.package_version,
            origin=kernel.origin,
            accelerator=self._facts.get("accelerator"),
            accelerator_asked=self._subject.accelerator.name,
            accelerator_reason=self._subject.accelerator.reason,
            guest=self._facts,
            boots=self._boots,
            restores=self._restores,
            consoles=tuple(self._consoles),
            stopped=stopped,
            last_console=self._last_console,
            splats=tuple(self._splats),
        ), cells

    async def _boot(self) -> bool:
        """Boot a machine, the first or a fresh one; False when that failed and nothing more can be asked."""
        self._boots += 1
        kernel, accelerator = self._subject.kernel, self._subject.accelerator
        try:
            with self._progress.phase(f"starting {kernel.release} ({accelerator.name})") as detail:
                machine = await self._boot_machine(
                    self._subject, self._folder / f"{kernel.release}-{self._boots}"
                )
                detail("from a snapshot" if machine.restored else "booted")
                self._machine = machine
                self._restores += machine.restored
                self._heard, self._warned = 0, False
                self._consoles.append(str(machine.console))
                self._check(machine.facts)
        except MachineFailed as failed:
            self._consoles.append(str(failed.console))
            self._last_console = failed.tail
            self._stopped = failed.fact
        except HarnessError as failed:
            self._stopped = failed.fact
        else:
            self._facts = self._facts or machine.facts
            return True
        if self._boots > 1:
            self._stopped = f"no fresh machine after the last was lost: {self._stopped}"
        return False

    def _check(self, facts: Mapping[str, Any]) -> None:
        """The guest is what was asked for, by its own measure."""
        confirm(self._subject.accelerator, facts)
        if facts["release"] != self._subject.kernel.release:
            raise EnvironmentFailed(
                f"the guest runs Linux {facts['release']}, not {self._subject.kernel.release}"
            )

    async def _observe(self, request: dict[str, Any]) -> _Observation:
        """What comes of one request; afterwards there is no machine if it was lost."""
        assert self._machine  # noqa: S101  (there is one whenever a cell is asked)
        begin = time.monotonic()
        self._listen(self._machine)
        try:
            await self._forget_warnings(self._machine)
            reply = await self._machine.ask(request, CELL_DEADLINE)
            self._note(reply)
            return _Observation(reply, reply["seconds"], console=reply.get("console"))
        except MachineFailed as failed:
            self._machine = None
            how = _Observation(None, 0, _VERDICTS[failed.kind], failed.reason, None, failed.tail)
        except RequestFailed as failed:
            splats = self._note(failed.complaints)
            verdict, seen = Verdict.FAIL if splats else Verdict.LOST, "; ".join([*splats, failed.fact])
            how = _Observation(None, 0, verdict, seen, failed.log, failed.complaints.get("console"))
        return replace(how, seconds=time.monotonic() - begin)

    def _listen(self, machine: Guest) -> None:
        """Note what the kernel has complained of since it was last listened to, outside of requests."""
        self._splats |= dict.fromkeys(machine.splats[self._heard :])
        self._heard = len(machine.splats)

    def _note(self, reply: Mapping[str, Any]) -> list[str]:
        """The complaints that belong to a reply."""
        splats: list[str] = reply.get("splats", [])
        self._heard += len(splats)
        self._warned = bool(splats)
        return splats

    async def _forget_warnings(self, machine: Guest) -> None:
        """After a warning: what comes only once will come again, if the next request draws it, too."""
        if self._warned:
            self._warned = False
            with suppress(RequestFailed):  # a kernel that cannot forget
                await machine.ask({"kind": "forget_warnings"}, CELL_DEADLINE)

    def _filled(self, planned: PlannedCell, observed: _Observation) -> CellResult:
        if observed.reply is None:
            return self._unanswered(planned, observed)
        try:
            return self._answered(planned, observed.reply, observed)
        except Exception as error:  # a reply that nobody foresaw; the other cells have an answer all the same
            seen = f"the reply cannot be judged: {type(error).__name__}: {error}"
            return self._unanswered(planned, replace(observed, seen=seen, log=traceback.format_exc()))

    def _answered(self, planned: PlannedCell, reply: dict[str, Any], observed: _Observation) -> CellResult:
        return self._cell(planned, judge(planned.case, planned.prog_type, self._facts, reply), observed)

    def _unanswered(self, planned: PlannedCell, observed: _Observation) -> CellResult:
        """A cell without an answer to judge."""
        judgement = Judgement(
            observed.verdict, ok=False, expected=planned.case.title, seen=observed.seen, log=observed.log
        )
        return self._cell(planned, judgement, observed)

    def _cell(self, planned: PlannedCell, judgement: Judgement, observed: _Observation) -> CellResult:
        return CellResult(
            kernel=self._subject.kernel.release,
            arch=self._subject.kernel.arch,
            prog_type=planned.prog_type.name,
            case=planned.case.id,
            loader=planned.loader,
            verdict=judgement.verdict,
            ok=judgement.ok,
            expected=judgement.expected,
            seen=judgement.seen,
            seconds=round(observed.seconds, 3),
            reason=judgement.reason,
            log=judgement.log,
            console=observed.console,
        )
