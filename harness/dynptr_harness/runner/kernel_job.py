"""The account of one kernel: what of it is still to be asked, what came of it, and why it goes no further."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.errors import EnvironmentFailed, HarnessError
from dynptr_harness.results.model import KernelRun
from dynptr_harness.runner.batches import cut
from dynptr_harness.runner.collector import ResultCollector
from dynptr_harness.runner.session import Session
from dynptr_harness.vm.accelerator import confirm
from dynptr_harness.vm.failures import MachineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.plan import Plan, PlannedCell
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.runner.batches import Batch, Query
    from dynptr_harness.runner.isolation import Isolation
    from dynptr_harness.runner.session import Boot, Observation
    from dynptr_harness.vm.prepare import PreparedKernel

LOSSES_IN_A_ROW = 3  # machines lost with no answer in between, until a kernel is given up


def always(_subject: PreparedKernel) -> bool:
    """Of every kernel the first machine is started alone."""
    return True


class KernelJob:
    """One kernel while any number of workers ask it.

    Args:
        first_alone: no further machine is started before the first has come up: those behind it go on from
            its snapshot, or need not try what it could not do.

    Attributes:
        workers: how many are at it.
        stopped: why no more is asked, None while all is well.
    """

    def __init__(
        self,
        subject: PreparedKernel,
        plan: Plan,
        isolation: Isolation,
        folder: Path,
        progress: Progress,
        *,
        first_alone: bool,
    ) -> None:
        self.workers = 0
        self.stopped: str | None = None
        self._subject = subject
        self._sheet = ResultCollector(subject.kernel, plan.cells, progress)
        self._title = f"asking {subject.kernel.release}, {len(plan.cells)} cells"
        self._lots = deque(cut(plan.cells, isolation))
        self._folder = folder
        self._progress = progress
        self._shown = ExitStack()
        self._detail: Callable[[str], None] | None = None
        self._first_alone = first_alone
        self._first_start = asyncio.Lock()
        self._facts: dict[str, Any] = {}
        self._boots = 0
        self._restores = 0
        self._splats: dict[str, None] = {}  # outside of questions, in order, each once
        self._consoles: list[str] = []
        self._lost_in_a_row = 0
        self._last_console: str | None = None

    @property
    def open(self) -> bool:
        """Whether there is a lot to take."""
        return bool(self._lots) and not self.stopped

    @contextmanager
    def served(self) -> Iterator[None]:
        """A worker is at this kernel within this context."""
        self.workers += 1
        try:
            yield
        finally:
            self.workers -= 1
            if not self.workers:  # nothing is left, or we are interrupted
                self._shown.__exit__(*sys.exc_info())

    def take(self) -> Batch | None:
        """The next lot; it is the worker's from now on."""
        return self._lots.popleft() if self.open else None

    def give_back(self, lot: Batch) -> None:
        """A lot, or what is left of it, that the worker cannot ask."""
        self._lots.appendleft(lot)

    async def start(self, boot: Boot, *, round_robin: bool) -> Session | None:
        """A fresh machine; None when nothing more is asked of this kernel.

        Args:
            round_robin: as in `Boot`.

        Raises:
            HarnessError: it did not come up, or is not what was asked for.
        """
        if not self._facts and (self._first_alone or not self._boots):
            async with self._first_start:
                if not self._facts and not self.stopped:
                    return await self._first_session(boot, round_robin)
        return None if self.stopped else await self._session(boot, round_robin)

    async def _first_session(self, boot: Boot, round_robin: bool) -> Session:
        release, accelerator = self._subject.kernel.release, self._subject.accelerator.name
        with self._progress.phase(f"starting {release} ({accelerator})") as detail:
            session = await self._session(boot, round_robin)
            detail("from a snapshot" if self._restores else "booted")
        return session

    async def _session(self, boot: Boot, round_robin: bool) -> Session:
        self._boots += 1
        folder = self._folder / f"{self._subject.kernel.release}-{self._boots}"
        machine = await boot(self._subject, folder, round_robin=round_robin)
        try:
            self._consoles.append(str(machine.console))
            self._restores += machine.restored
            self._check(machine.facts)
        except BaseException:
            await machine.kill()
            raise
        self._facts = self._facts or machine.facts
        return Session(machine, self._heard)

    def _check(self, facts: Mapping[str, Any]) -> None:
        """The guest is what was asked for, by its own measure."""
        confirm(self._subject.accelerator, facts)
        if facts["release"] != self._subject.kernel.release:
            raise EnvironmentFailed(
                f"the guest runs Linux {facts['release']}, not {self._subject.kernel.release}"
            )

    def _heard(self, splats: list[str]) -> None:
        self._splats |= dict.fromkeys(splats)

    def did_not_start(self, failed: HarnessError) -> None:
        """A worker has no machine: that ends the kernel, unless another one has."""
        if isinstance(failed, MachineFailed):
            self._consoles.append(str(failed.console))
        if self._facts and self.workers > 1:
            release, others = self._subject.kernel.release, self.workers - 1
            self._progress.tell(f"{release}: a further machine did not start, {others} go on: {failed.fact}")
            return
        self.stopped = f"no fresh machine: {failed.fact}" if self._facts else failed.fact
        self._last_console = failed.tail if isinstance(failed, MachineFailed) else None

    def begin(self, question: Query) -> None:
        """Show what is being asked."""
        if not self._detail:
            self._detail = self._shown.enter_context(self._progress.phase(self._title))
        cell = question.cells[0]
        bad = f", {self._sheet.bad} not as expected" if self._sheet.bad else ""
        self._detail(f"{self._sheet.filled} answered{bad}; {cell.prog_type.name} {cell.case.id}")

    def enter(self, question: Query, observed: Observation) -> None:
        """Take down what came of a question; too many losses end the kernel."""
        self._sheet.fill(question, observed, self._facts)
        self._lost_in_a_row = self._lost_in_a_row + 1 if observed.lost else 0
        if self._lost_in_a_row == LOSSES_IN_A_ROW:
            self.stopped = f"{LOSSES_IN_A_ROW} machines were lost in a row"
            self._last_console = observed.console

    def has(self, planned: PlannedCell) -> bool:
        """Whether this cell has a result."""
        return self._sheet.has(planned)

    def cell(self, planned: PlannedCell, ended: str) -> CellResult:
        """The result of one cell; `ended` as in `finish`."""
        return self._sheet.cell(planned, self.stopped or ended)

    def finish(self, ended: str) -> tuple[KernelRun, list[CellResult]]:
        """Account for the cells that were not run; `ended` is why, where this kernel has no reason itself."""
        stopped = None if self._sheet.complete else self.stopped or ended
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
            append=self._subject.append,
        ), self._sheet.cells(stopped)
