"""Kernels are asked by workers, lot by lot; every planned cell gets a result, in the order of the plan."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness import __version__
from dynptr_harness.core.signals import until_signal
from dynptr_harness.results.model import COMPLETE, Provenance, RunResult
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.kernel_job import KernelJob, always
from dynptr_harness.runner.parallelism import places
from dynptr_harness.runner.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dynptr_harness.conformance.plan import Plan
    from dynptr_harness.core.signals import Interrupted
    from dynptr_harness.report.console_progress import Timed
    from dynptr_harness.runner.session import Boot
    from dynptr_harness.vm.prepare import PreparedKernel


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
    subjects: Sequence[PreparedKernel],
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
) -> Outcome:
    """Ask every kernel everything that was planned.

    Whatever happens to machines is in the result: each planned cell has a verdict there, 'not-run' with
    the reason when it could not be asked. A signal ends the run early, and the result says so.

    Args:
        boot: how a machine comes to be.
        folder: gets the consoles.
        progress: its phases, those before this call too, go into the provenance.
        qemu: version of QEMU, for the provenance, as `guest_packages`.
        jobs: how many machines there may be at a time.
        isolation: when a fresh machine takes the place of one that is well.
        first_alone: for which kernels; see `KernelJob`.
    """
    accounts = [
        KernelJob(subject, plan, isolation, folder, progress, first_alone=first_alone(subject))
        for subject in subjects
    ]
    workers = [Worker(accounts, boot, isolation, place) for place in places(jobs)]
    interrupted = asyncio.run(until_signal(_all(workers)))
    ended = f"interrupted by {interrupted.name}" if interrupted else COMPLETE
    done = [account.finish(ended) for account in accounts]
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
    )
    cells = tuple(cell for _kernel, cells in done for cell in cells)
    return Outcome(RunResult(provenance, cells, planned=len(plan.cells) * len(subjects)), interrupted)


async def _all(workers: Sequence[Worker]) -> None:
    """Let them work until all are done; a defect of ours in one of them ends the others, too."""
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
