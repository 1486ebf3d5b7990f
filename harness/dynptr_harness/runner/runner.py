"""The runner: it runs the planned cells of each kernel on a pool of machines. Every cell gets a result."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness import __version__
from dynptr_harness.core.signals import until_signal
from dynptr_harness.results.model import COMPLETE, Provenance, RunResult
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.kernel_job import KernelJob, always
from dynptr_harness.runner.parallelism import cpu_slots
from dynptr_harness.runner.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dynptr_harness.conformance.plan import Plan
    from dynptr_harness.core.signals import Interrupted
    from dynptr_harness.runner.session import Boot
    from dynptr_harness.runner.timing import Timed
    from dynptr_harness.vm.prepare import PreparedKernel


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run, and the signal that interrupted it, if any."""

    result: RunResult
    interrupted: Interrupted | None = None

    @property
    def exit_status(self) -> int:
        """128 plus the signal's number after a signal, otherwise the status of the result."""
        return self.interrupted.status if self.interrupted else int(self.result.status)


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
    """
    kernel_jobs = [
        KernelJob(kernel, plan, isolation, folder, progress, first_alone=first_alone(kernel))
        for kernel in prepared
    ]
    workers = [Worker(kernel_jobs, boot, isolation, slot) for slot in cpu_slots(jobs)]
    interrupted = asyncio.run(until_signal(_run_all(workers)))
    ended = f"interrupted by {interrupted.name}" if interrupted else COMPLETE
    done = [job.finish(ended) for job in kernel_jobs]
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
    return RunOutcome(RunResult(provenance, cells, planned=len(plan.cells) * len(prepared)), interrupted)


async def _run_all(workers: Sequence[Worker]) -> None:
    """Run all workers to their end. An exception in one of them ends the others, too."""
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
