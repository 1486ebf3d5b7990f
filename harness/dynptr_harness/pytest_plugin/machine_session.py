"""The VMs of a pytest process: one at a time, for cells and for users' tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from dynptr_harness.conformance.plan import Plan
from dynptr_harness.core.progress import Silent
from dynptr_harness.runner.batches import cut
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.kernel_job import KernelJob
from dynptr_harness.runner.parallelism import CpuSlot
from dynptr_harness.runner.worker import Worker
from dynptr_harness.vm.launcher import Machines

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.plan import PlannedCell
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.runner.batches import Batch
    from dynptr_harness.vm.launcher import Options
    from dynptr_harness.vm.machine import Machine
    from dynptr_harness.vm.prepare import PreparedKernel

T = TypeVar("T")


class MachineSession:
    """Runs at most one VM. A request for another kernel or a fresh VM ends the current one.

    Args:
        options: options of all machines.
        settings: the settings.
    """

    def __init__(self, options: Options, settings: Settings) -> None:
        self._options = options
        self._settings = settings
        self._runner = asyncio.Runner()
        self._kernels: dict[str, Machines] = {}
        self._jobs: dict[str, KernelJob] = {}
        self._batches: dict[str, dict[tuple[str, str, str], Batch]] = {}
        self._worker: Worker | None = None
        self._worker_kernel = ""  # selector of the worker's kernel
        self._machine: Machine | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and return its result."""
        return self._runner.run(work)

    def prepared(self, selector: str) -> PreparedKernel:
        """Return a kernel, prepared on first use.

        Raises:
            HarnessError: see `dynptr_harness.vm.prepare.prepare`.
        """
        (prepared,) = self._machines(selector).kernels
        return prepared

    def machine(self, selector: str) -> Machine:
        """Start and return a fresh VM of this kernel.

        Raises:
            HarnessError: see `prepared`, or the VM does not start.
        """
        self.clear()
        self._machine = self.run(self._machines(selector).start(self.prepared(selector)))
        return self._machine

    def answer(
        self, selector: str, planned: PlannedCell, every: Callable[[], Sequence[PlannedCell]]
    ) -> CellResult:
        """Return the result of a cell, running it if needed.

        Args:
            every: returns all selected cells of this kernel; cells with the same request share a result.

        Raises:
            HarnessError: see `prepared`.
        """
        if selector not in self._jobs:
            self._jobs[selector] = self._job(selector, tuple(every()))
        job = self._jobs[selector]
        if not job.has_result(planned):
            worker = self._worker_for(selector)
            self.run(worker.run_batch(job, self._batches[selector][planned.key]))
            if suspect := job.take_suspect():  # pytest sets the order: nothing runs before it
                self.run(worker.run_batch(job, suspect))
        return job.cell(planned, "there is no machine")

    def clear(self) -> None:
        """End the current VM, if any."""
        if self._worker:
            self.run(self._worker.end())
            self._worker = None
        if self._machine:
            self.run(self._machine.kill())
            self._machine = None

    def close(self) -> None:
        """End the VM and the event loop."""
        self.clear()
        self._runner.close()

    def _job(self, selector: str, cells: tuple[PlannedCell, ...]) -> KernelJob:
        self._batches[selector] = {
            cell.key: batch
            for batch in cut(cells, Isolation.CASE)
            for query in batch.queries
            for cell in query.cells
        }
        folder = self._machines(selector).directory
        return KernelJob(
            self.prepared(selector), Plan(cells), Isolation.CASE, folder, Silent(), first_alone=True
        )

    def _machines(self, selector: str) -> Machines:
        if selector not in self._kernels:
            self._kernels[selector] = Machines(
                [selector], self._options, settings=self._settings, progress=Silent()
            )
        return self._kernels[selector]

    def _worker_for(self, selector: str) -> Worker:
        if not self._worker or self._worker_kernel != selector:
            self.clear()
            self._worker_kernel = selector
            self._worker = Worker([], self._machines(selector).start, Isolation.RUN, CpuSlot())
        return self._worker
