"""The job of one kernel: the batches left to run, the results so far, and why it stopped."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.errors import EnvironmentFailed, HarnessError
from dynptr_harness.core.text import counted
from dynptr_harness.results.model import KernelRun
from dynptr_harness.runner.batches import Batch, cut
from dynptr_harness.runner.collector import ResultCollector
from dynptr_harness.runner.eta import Estimate
from dynptr_harness.runner.limits import FailureCount, Limits
from dynptr_harness.runner.quarantine import Quarantine
from dynptr_harness.runner.session import Session
from dynptr_harness.vm.failures import MachineFailed
from dynptr_harness.vm.kvm_probe import confirm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.plan import Plan, PlannedCell
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.runner.batches import Query
    from dynptr_harness.runner.isolation import Isolation
    from dynptr_harness.runner.session import Boot, Observation
    from dynptr_harness.vm.prepare import PreparedKernel


def always(_kernel: PreparedKernel) -> bool:
    """Return True: the first machine of every kernel starts alone."""
    return True


class KernelJob:
    """The work for one kernel, shared by any number of workers.

    Args:
        limits: limits of the run.
        failures: counts the unexpected results of all kernels of the run. None for a count of this kernel.
        first_alone: start further machines only when the first one is up. They start from its snapshot, and
            are not tried at all if it does not boot.

    Attributes:
        workers: number of workers that run cells of this kernel.
    """

    def __init__(
        self,
        prepared: PreparedKernel,
        plan: Plan,
        isolation: Isolation,
        folder: Path,
        progress: Progress,
        *,
        first_alone: bool,
        limits: Limits = Limits(),  # noqa: B008  (immutable)
        failures: FailureCount | None = None,
    ) -> None:
        self.workers = 0
        self._stopped: str | None = None
        self._limits = limits
        self._failures = failures or FailureCount(limits)
        self._prepared = prepared
        self._results = ResultCollector(prepared.kernel, plan.cells, progress, self._failures)
        self._total = len(plan.cells)
        self._estimate = Estimate(self._total)
        self._title = f"running {counted(len(plan.cells), 'cell')} on {prepared.kernel.release}"
        self._batches = deque(cut(plan.cells, isolation))
        self._folder = folder
        self._progress = progress
        self._shown = ExitStack()
        self._detail: Callable[[str], None] | None = None
        self._first_alone = first_alone
        self._first_start = asyncio.Lock()
        self._facts: dict[str, Any] = {}
        self._boots = 0
        self._restores = 0
        self._splats: dict[str, None] = {}  # outside of queries, in order, each once
        self._consoles: list[str] = []
        self._quarantine = Quarantine()
        self._last_console: str | None = None

    @property
    def stopped(self) -> str | None:
        """Why no more cells run, None while they do."""
        return self._stopped or self._quarantine.stopped or self._failures.stopped

    @property
    def _ended(self) -> str | None:
        """Why the cells without a result did not run. None if the job itself has no reason."""
        return self.stopped or self._quarantine.exhausted

    @property
    def has_batch(self) -> bool:
        """True if there is a batch to take."""
        return bool(self._batches or self._quarantine.has_query) and not self.stopped

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a worker of this kernel within this context."""
        self.workers += 1
        try:
            yield
        finally:
            self.workers -= 1
            if not self.workers:  # no batch is left, or the run is interrupted
                self._shown.__exit__(*sys.exc_info())

    def take_batch(self) -> Batch | None:
        """Remove and return the next batch. The queries in quarantine come last, one by one."""
        return self._batches.popleft() if self._batches and not self.stopped else self.take_suspect()

    def take_suspect(self) -> Batch | None:
        """Remove and return a query in quarantine."""
        if self.stopped or not self._quarantine.has_query:
            return None
        return Batch((self._quarantine.release(),), released=True)

    def without_suspects(self, batch: Batch) -> Batch:
        """Return the part of a batch that can run now. The rest goes into quarantine."""
        return batch if batch.released else replace(batch, queries=self._quarantine.hold_back(batch.queries))

    def give_back(self, batch: Batch) -> None:
        """Put back a batch, or the rest of one, that a worker could not run."""
        self._batches.appendleft(batch)

    async def start(self, boot: Boot, *, round_robin: bool) -> Session | None:
        """Start a fresh machine. Return None if the job has stopped.

        Args:
            round_robin: as in `Boot`.

        Raises:
            HarnessError: it did not start, or runs another kernel or accelerator than requested.
        """
        if not self._facts and (self._first_alone or not self._boots):
            async with self._first_start:
                if not self._facts and not self.stopped:
                    return await self._first_session(boot, round_robin)
        return None if self.stopped else await self._session(boot, round_robin)

    async def _first_session(self, boot: Boot, round_robin: bool) -> Session:
        release, accelerator = self._prepared.kernel.release, self._prepared.accelerator.name
        with self._progress.phase(f"starting {release} ({accelerator})") as detail:
            session = await self._session(boot, round_robin)
            detail("from a snapshot" if self._restores else "booted")
        return session

    async def _session(self, boot: Boot, round_robin: bool) -> Session:
        self._boots += 1
        folder = self._folder / f"{self._prepared.kernel.release}-{self._boots}"
        machine = await boot(self._prepared, folder, round_robin=round_robin)
        try:
            self._consoles.append(str(machine.console))
            self._restores += machine.restored
            self._check(machine.facts)
        except BaseException:
            await machine.kill()
            raise
        self._facts = self._facts or machine.facts
        return Session(machine, self._add_splats, self._limits.case_seconds)

    def _check(self, facts: Mapping[str, Any]) -> None:
        """Compare the facts of the guest with the request.

        Raises:
            EnvironmentFailed: it runs another kernel.
        """
        confirm(self._prepared.accelerator, facts)
        if facts["release"] != self._prepared.kernel.release:
            raise EnvironmentFailed(
                f"the guest runs Linux {facts['release']}, not {self._prepared.kernel.release}"
            )

    def _add_splats(self, splats: list[str]) -> None:
        self._splats |= dict.fromkeys(splats)

    def did_not_start(self, failed: HarnessError) -> None:
        """Note that a machine did not start. This stops the job unless another worker has a machine."""
        if isinstance(failed, MachineFailed):
            self._consoles.append(str(failed.console))
        if self._facts and self.workers > 1:
            release, others = self._prepared.kernel.release, counted(self.workers - 1, "other machine")
            self._progress.tell(
                f"{release}: a machine did not start, the run continues on {others}: {failed.fact}"
            )
            return
        self._stopped = f"no fresh machine: {failed.fact}" if self._facts else failed.fact
        self._last_console = failed.tail if isinstance(failed, MachineFailed) else None

    def show(self, query: Query) -> None:
        """Show the query that runs now."""
        if not self._detail:
            self._detail = self._shown.enter_context(self._progress.phase(self._title))
        cell = query.cells[0]
        results = self._results
        unexpected = f", {results.unexpected} not as expected" if results.unexpected else ""
        left = self._estimate.left(results.collected)
        self._detail(
            f"{results.collected} answered of {self._total}{unexpected}{left}; "
            f"{cell.prog_type.name} {cell.case.id}"
        )

    def record(self, query: Query, observed: Observation, *, released: bool = False) -> None:
        """Record the observation of a query. Too many losses in a row stop the job.

        Args:
            released: True if the query was in quarantine.
        """
        self._results.add(query, observed, self._facts)
        self._quarantine.record(query, observed, released=released)
        if observed.lost and (self._quarantine.stopped or self._quarantine.exhausted):
            self._last_console = observed.console

    def has_result(self, planned: PlannedCell) -> bool:
        """Return True if this cell has a result."""
        return self._results.has_result(planned)

    def cell(self, planned: PlannedCell, ended: str) -> CellResult:
        """Return the result of one cell; `ended` as in `finish`."""
        return self._results.cell(planned, self._ended or ended)

    def finish(self, ended: str) -> tuple[KernelRun, list[CellResult]]:
        """Return the provenance of this kernel, and the results of all planned cells.

        Args:
            ended: why the remaining cells did not run, unless the job itself stopped.
        """
        stopped = None if self._results.complete else self._ended or ended
        kernel = self._prepared.kernel
        return KernelRun(
            selector=self._prepared.selector,
            release=kernel.release,
            arch=kernel.arch,
            sha256=kernel.sha256,
            package=kernel.package,
            package_version=kernel.package_version,
            origin=kernel.origin,
            accelerator=self._facts.get("accelerator"),
            accelerator_asked=self._prepared.accelerator.name,
            accelerator_reason=self._prepared.accelerator.reason,
            guest=self._facts,
            boots=self._boots,
            restores=self._restores,
            consoles=tuple(self._consoles),
            stopped=stopped,
            last_console=self._last_console,
            splats=tuple(self._splats),
            append=self._prepared.append,
        ), self._results.cells(stopped)
