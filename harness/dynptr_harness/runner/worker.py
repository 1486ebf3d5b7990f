"""Workers: each asks kernels with one machine at a time, and goes where there is something left to ask."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import HarnessError
from dynptr_harness.runner.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.runner.batches import Batch, Query
    from dynptr_harness.runner.kernel_job import KernelJob
    from dynptr_harness.runner.parallelism import CpuSlot
    from dynptr_harness.runner.session import Boot, Session


class Worker:
    """One of those that share the kernels of a run among them.

    Args:
        accounts: the kernels, in the order in which they were asked for.
        boot: how a machine comes to be.
        isolation: when a fresh machine takes the place of one that is well.
        place: of its machines on the host.
    """

    def __init__(
        self,
        accounts: Sequence[KernelJob],
        boot: Boot,
        isolation: Isolation,
        place: CpuSlot,
    ) -> None:
        self._accounts = accounts
        self._boot = boot
        self._isolation = isolation
        self._place = place
        self._left: set[KernelJob] = set()  # kernels of which no machine came up for us
        self._session: Session | None = None

    async def run(self) -> None:
        """Ask kernel after kernel, as long as one has a lot to take."""
        while account := self._choose():
            with account.served():
                try:
                    await self._serve(account)
                finally:
                    await self.end()

    def _choose(self) -> KernelJob | None:
        """A kernel that few are at: each has a snapshot to make before others can help with it."""
        can_be_asked = (each for each in self._accounts if each.open and each not in self._left)
        return min(can_be_asked, key=lambda account: account.workers, default=None)

    async def _serve(self, account: KernelJob) -> None:
        """Ask lots of one kernel as long as there are any and machines come up."""
        while account not in self._left and (lot := account.take()):
            if self._isolation is not Isolation.RUN:
                await self.end()
            await self.ask(account, lot)

    async def ask(self, account: KernelJob, lot: Batch) -> None:
        """Ask one lot, on a fresh machine after each that was lost; give back what cannot be asked."""
        left = lot.questions
        while left:
            if account.stopped or not (session := await self._ready(account, lot)):
                account.give_back(replace(lot, questions=left))
                return
            left = left[await self._ask_on(session, account, left) :]

    @staticmethod
    async def _ask_on(session: Session, account: KernelJob, questions: Sequence[Query]) -> int:
        """Ask as much as goes on one machine; how many were answered."""
        done = 0
        account.begin(questions[0])
        async with aclosing(session.observe([question.request for question in questions])) as observed:
            async for each in observed:
                account.enter(questions[done], each)
                done += 1
                if account.stopped:
                    break
                if done < len(questions):
                    account.begin(questions[done])
        return done

    async def _ready(self, account: KernelJob, lot: Batch) -> Session | None:
        """The session that goes on, or a new one; None when there is none to be had for us."""
        if self._session and self._session.sound and not (lot.parallel and self._session.round_robin):
            return self._session
        await self.end()
        try:
            round_robin = self._place.round_robin and not lot.parallel
            self._session = await account.start(self._boot, round_robin=round_robin)
            if self._session and self._place.processors:
                await self._session.pin_vcpus(self._place.processors)
        except HarnessError as failed:
            account.did_not_start(failed)
            self._left.add(account)
        return self._session

    async def end(self) -> None:
        """End the machine, if there is one."""
        if self._session:
            session, self._session = self._session, None
            await session.end()
