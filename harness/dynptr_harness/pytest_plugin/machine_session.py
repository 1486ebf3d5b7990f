"""The bench of one pytest process: one machine at a time, for cells and for tests of people's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from dynptr_harness.conformance.plan import Plan
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.runner.batches import cut
from dynptr_harness.runner.isolation import Isolation
from dynptr_harness.runner.kernel_job import KernelJob
from dynptr_harness.runner.parallelism import CpuSlot
from dynptr_harness.runner.worker import Worker
from dynptr_harness.vm.launcher import Machines, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.plan import PlannedCell
    from dynptr_harness.runner.batches import Batch
    from dynptr_harness.vm.machine import Machine
    from dynptr_harness.vm.prepare import PreparedKernel

T = TypeVar("T")


class MachineSession:
    """Whoever needs a machine of another kernel, or a fresh one, has the one before ended."""

    def __init__(self) -> None:
        self._settings = Settings.from_environment()
        self._runner = asyncio.Runner()
        self._kernels: dict[str, Machines] = {}
        self._accounts: dict[str, KernelJob] = {}
        self._lots: dict[str, dict[tuple[str, str, str], Batch]] = {}
        self._worker: Worker | None = None
        self._asked = ""  # the kernel of the machine that the worker has
        self._machine: Machine | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of something that takes a machine."""
        return self._runner.run(work)

    def subject(self, selector: str) -> PreparedKernel:
        """A kernel, made ready when it is first needed.

        Raises:
            HarnessError: as `dynptr_harness.vm.prepare.prepare`.
        """
        (subject,) = self._machines(selector).subjects
        return subject

    def machine(self, selector: str) -> Machine:
        """A fresh machine of this kernel.

        Raises:
            HarnessError: as `subject`, or it does not start.
        """
        self.clear()
        self._machine = self.run(self._machines(selector).start(self.subject(selector)))
        return self._machine

    def answer(
        self, selector: str, planned: PlannedCell, every: Callable[[], Sequence[PlannedCell]]
    ) -> CellResult:
        """The result of a cell; of `every` cell of this kernel, those that ask the same have it, too.

        Raises:
            HarnessError: as `subject`.
        """
        if selector not in self._accounts:
            self._accounts[selector] = self._account(selector, tuple(every()))
        account = self._accounts[selector]
        if not account.has(planned):
            self.run(self._worker_for(selector).ask(account, self._lots[selector][planned.key]))
        return account.cell(planned, "there is no machine")

    def clear(self) -> None:
        """End the machine that there is."""
        if self._worker:
            self.run(self._worker.end())
            self._worker = None
        if self._machine:
            self.run(self._machine.kill())
            self._machine = None

    def close(self) -> None:
        """End everything."""
        self.clear()
        self._runner.close()

    def _account(self, selector: str, cells: tuple[PlannedCell, ...]) -> KernelJob:
        self._lots[selector] = {
            cell.key: lot
            for lot in cut(cells, Isolation.CASE)
            for question in lot.questions
            for cell in question.cells
        }
        folder = self._machines(selector).folder
        return KernelJob(
            self.subject(selector), Plan(cells), Isolation.CASE, folder, Silent(), first_alone=True
        )

    def _machines(self, selector: str) -> Machines:
        if selector not in self._kernels:
            self._kernels[selector] = Machines(
                [selector], Options(), settings=self._settings, progress=Silent()
            )
        return self._kernels[selector]

    def _worker_for(self, selector: str) -> Worker:
        if not self._worker or self._asked != selector:
            self.clear()
            self._asked = selector
            self._worker = Worker([], self._machines(selector).start, Isolation.RUN, CpuSlot())
        return self._worker
