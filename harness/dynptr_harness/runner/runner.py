"""The runner: it runs the planned cells of each kernel on a pool of machines. Every cell gets a result."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness import __version__
from dynptr_harness.conformance.plan import Plan
from dynptr_harness.core.signals import until_signal
from dynptr_harness.results.model import COMPLETE, Provenance, RunResult, ShardRun
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.kernel_job import KernelJob, always
from dynptr_harness.runner.limits import FailureCount, Limits
from dynptr_harness.runner.parallelism import cpu_slots
from dynptr_harness.runner.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dynptr_harness.conformance.plan import PlannedCell
    from dynptr_harness.conformance.shard import Shard
    from dynptr_harness.core.signals import Interrupted
    from dynptr_harness.runner.session import Boot
    from dynptr_harness.runner.timing import Timed
    from dynptr_harness.vm.prepare import PreparedKernel

    Narrow = Callable[[str, Sequence[PlannedCell]], Sequence[PlannedCell]]


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run, and the signal that interrupted it, if any."""

    result: RunResult
    interrupted: Interrupted | None = None

    @property
    def exit_status(self) -> int:
        """128 plus the signal's number after a signal, otherwise the status of the result."""
        return self.interrupted.status if self.interrupted else int(self.result.status)


def _all_cells(_release: str, cells: Sequence[PlannedCell]) -> Sequence[PlannedCell]:
    return cells


def run(
    prepared: Sequence[PreparedKernel],
    plan: Plan,
    *,
    boot: Boot,
    folder: Path,
    progress: Timed,
    qemu: str,
    guest_packages: Mapping[str, str],
    jobs: int = 1,
    isolation: Isolation = Isolation.RUN,
    first_alone: Callable[[PreparedKernel], bool] = always,
    limits: Limits = Limits(),  # noqa: B008  (immutable)
    narrow: Narrow = _all_cells,
    shard: Shard | None = None,
) -> RunOutcome:
    """Run every planned cell on every kernel.

    A failed machine never raises: each planned cell has a verdict, 'not-run' with the reason if it could not
    run. A signal ends the run early, and the result says so.

    Args:
        boot: starts a machine.
        folder: directory for the consoles.
        progress: its phases go into the provenance, also those before this call.
        qemu: version of QEMU, for the provenance.
        guest_packages: version of each package, for the provenance.
        jobs: maximum number of machines at a time.
        isolation: when a fresh machine replaces a working one.
        first_alone: see `KernelJob`.
        limits: limits of the run.
        narrow: returns the cells to run on the kernel of a release, given the release and the cells of the
            plan.
        shard: run only this part of the cells of each kernel.
    """
    whole = [narrow(each.kernel.release, plan.cells) for each in prepared]
    plans = [Plan(shard.part(cells) if shard else tuple(cells)) for cells in whole]
    failures = FailureCount(limits)
    kernel_jobs = [
        KernelJob(
            kernel,
            cells,
            isolation,
            folder,
            progress,
            first_alone=first_alone(kernel),
            limits=limits,
            failures=failures,
        )
        for kernel, cells in zip(prepared, plans, strict=True)
    ]
    workers = [Worker(kernel_jobs, boot, isolation, slot) for slot in cpu_slots(jobs)]
    work = _Work(workers, limits.run_seconds)
    interrupted = asyncio.run(until_signal(work.run()))
    ended = f"interrupted by {interrupted.name}" if interrupted else work.late or failures.stopped or COMPLETE
    done = [job.finish(ended) for job in kernel_jobs]
    if not interrupted and all(kernel.stopped is None for kernel, _cells in done):
        ended = COMPLETE
    provenance = Provenance(
        harness=__version__,
        started=progress.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(progress.elapsed, 3),
        ended=ended,
        qemu=qemu,
        guest_packages=dict(guest_packages),
        kernels=tuple(kernel for kernel, _cells in done),
        phases=progress.phases,
        jobs=jobs,
        isolation=isolation.value,
        shard=ShardRun(shard.index, shard.count, _fingerprint(prepared, whole)) if shard else None,
    )
    cells = tuple(cell for _kernel, cells in done for cell in cells)
    planned = sum(len(each.cells) for each in plans)
    titles = {cell.case.id: cell.case.title for each in plans for cell in each.cells}
    return RunOutcome(RunResult(provenance, cells, planned, titles=titles), interrupted)


def _fingerprint(prepared: Sequence[PreparedKernel], whole: Sequence[Sequence[PlannedCell]]) -> str:
    """Return a hash that is equal for all shards of one run."""
    parts = [
        (each.kernel.release, each.kernel.sha256, each.append, [cell.key for cell in cells])
        for each, cells in zip(prepared, whole, strict=True)
    ]
    return hashlib.sha256(json.dumps([__version__, parts]).encode()).hexdigest()


class _Work:
    """All workers, for a limited time.

    Attributes:
        late: why the time ended them. None if it did not.
    """

    def __init__(self, workers: Sequence[Worker], seconds: float | None) -> None:
        self.late: str | None = None
        self._workers = workers
        self._seconds = seconds

    async def run(self) -> None:
        try:
            async with asyncio.timeout(self._seconds) as limit:
                await _run_all(self._workers)
        except TimeoutError:
            if not limit.expired():
                raise
            self.late = "the time for the run was over"


async def _run_all(workers: Sequence[Worker]) -> None:
    """Run all workers to their end. An exception in one of them ends the others, too."""
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
