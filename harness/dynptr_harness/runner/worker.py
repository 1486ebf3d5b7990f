"""Workers: each runs batches on one machine at a time, for any kernel that has batches left."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import HarnessError
from dynptr_harness.runner.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.runner.batches import Batch
    from dynptr_harness.runner.kernel_job import KernelJob
    from dynptr_harness.runner.parallelism import CpuSlot
    from dynptr_harness.runner.session import Boot, Session


class Worker:
    """One of the workers that share the kernels of a run.

    Args:
        kernel_jobs: in the order of the command line.
        boot: starts a machine.
        isolation: when a fresh machine replaces a working one.
        slot: CPUs of the worker's machines.
    """

    def __init__(
        self,
        kernel_jobs: Sequence[KernelJob],
        boot: Boot,
        isolation: Isolation,
        slot: CpuSlot,
    ) -> None:
        self._kernel_jobs = kernel_jobs
        self._boot = boot
        self._isolation = isolation
        self._slot = slot
        self._not_started: set[KernelJob] = set()  # kernels whose machine did not start for this worker
        self._session: Session | None = None

    async def run(self) -> None:
        """Run batches until no kernel has any left."""
        while job := self._choose():
            with job.working():
                try:
                    await self._run_kernel(job)
                finally:
                    await self.end()

    def _choose(self) -> KernelJob | None:
        """Choose the kernel with the fewest workers: others can help once its snapshot exists."""
        candidates = (each for each in self._kernel_jobs if each.has_batch and each not in self._not_started)
        return min(candidates, key=lambda job: job.workers, default=None)

    async def _run_kernel(self, job: KernelJob) -> None:
        """Run batches of one kernel while it has any and machines start."""
        while job not in self._not_started and (batch := job.take_batch()):
            if self._isolation is not Isolation.RUN:
                await self.end()
            await self.run_batch(job, batch)

    async def run_batch(self, job: KernelJob, batch: Batch) -> None:
        """Run one batch, with a fresh machine after each loss. Give back the queries that cannot run."""
        while (batch := job.without_suspects(batch)).queries:
            if job.stopped or not (session := await self._ready(job, batch)):
                job.give_back(batch)
                return
            done = await self._run_queries(session, job, batch)
            batch = replace(batch, queries=batch.queries[done:])

    @staticmethod
    async def _run_queries(session: Session, job: KernelJob, batch: Batch) -> int:
        """Run queries until the machine or the job ends. Return how many have a result."""
        queries, done = batch.queries, 0
        job.show(queries[0])
        async with aclosing(session.observe([query.request for query in queries])) as observed:
            async for each in observed:
                job.record(queries[done], each, released=batch.released)
                done += 1
                if job.stopped:
                    break
                if done < len(queries):
                    job.show(queries[done])
        return done

    async def _ready(self, job: KernelJob, batch: Batch) -> Session | None:
        """Return the current session or a new one, or None if no machine starts."""
        if self._session and self._session.usable and not (batch.parallel and self._session.round_robin):
            return self._session
        await self.end()
        try:
            round_robin = self._slot.round_robin and not batch.parallel
            self._session = await job.start(self._boot, round_robin=round_robin)
            if self._session and self._slot.processors:
                await self._session.pin_vcpus(self._slot.processors)
        except HarnessError as failed:
            job.did_not_start(failed)
            self._not_started.add(job)
        return self._session

    async def end(self) -> None:
        """End the machine, if there is one."""
        if self._session:
            session, self._session = self._session, None
            await session.end()
