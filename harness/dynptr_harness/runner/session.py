"""A session: one machine that runs queries, and the observation of each."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.vm.agent_client import RequestFailed
from dynptr_harness.vm.failures import FailureKind, MachineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from dynptr_harness.vm.prepare import PreparedKernel

CELL_DEADLINE = 60.0  # seconds; a cell takes a fraction of one, and a few on a busy host without KVM

_VERDICTS = {
    FailureKind.CRASH: Verdict.CRASH,
    FailureKind.HANG: Verdict.HANG,
    FailureKind.LOST: Verdict.LOST,
}


class AgentMachine(Protocol):
    """A machine with an agent, such as `dynptr_harness.vm.machine.Machine`."""

    facts: dict[str, Any]
    console: Path
    restored: bool
    round_robin: bool

    @property
    def splats(self) -> list[str]:
        """All warnings and oopses of the kernel so far, one line each."""

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send one request and return the reply."""

    def request_batch(
        self, requests: Sequence[dict[str, Any]], deadline: float
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the replies to some or all of the requests; see `Machine.request_batch`."""

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """Pin each vCPU to one CPU of the host, in this order."""

    async def kill(self) -> None:
        """End the guest immediately. Do nothing if it has ended already."""


class Boot(Protocol):
    """A function that starts a machine, such as `dynptr_harness.vm.launcher.Machines.start`."""

    def __call__(
        self, prepared: PreparedKernel, folder: Path, /, *, round_robin: bool
    ) -> Coroutine[Any, Any, AgentMachine]:
        """Boot a prepared kernel.

        Args:
            folder: directory for the console.
            round_robin: run emulated vCPUs on one thread; see `CpuSlot`.
        """


@dataclass(frozen=True)
class Observation:
    """The observation of one request, for all cells with this request.

    Attributes:
        reply: of the agent, None if there is none.
        seconds: time in the guest; without a reply, time until the failure.
        verdict, seen, log: as in CellResult, for a request without a reply that can be judged.
        console: as in CellResult.
        lost: True if the machine was lost.
    """

    reply: dict[str, Any] | None = None
    seconds: float = 0.0
    verdict: Verdict = Verdict.LOST
    seen: str = ""
    log: str | None = None
    console: str | None = None
    lost: bool = False


class Session:
    """Runs queries on one machine.

    Args:
        machine: fresh and not shared.
        outside: called with the kernel's warnings outside of requests, one line each.
        deadline: seconds for each request. None for the default.

    Attributes:
        usable: True if the machine can run more requests: it runs, and no request failed. A failed experiment
            may leave the guest in any state.
    """

    def __init__(
        self,
        machine: AgentMachine,
        outside: Callable[[list[str]], None],
        deadline: float | None = None,
    ) -> None:
        self.usable = True
        self._deadline = deadline or CELL_DEADLINE
        self._machine = machine
        self._outside = outside
        self._reported = 0  # number of splats that are reported already
        self._warned = False

    @property
    def round_robin(self) -> bool:
        """True if the vCPUs of the machine take turns."""
        return self._machine.round_robin

    async def observe(self, requests: Sequence[dict[str, Any]]) -> AsyncGenerator[Observation]:
        """Yield an observation of each request, until the machine is no longer usable."""
        done = 0
        while done < len(requests) and self.usable:
            self._report_splats()
            async with aclosing(self._observe_some(requests[done:])) as observed:
                async for each in observed:
                    done += 1
                    yield each

    async def _observe_some(self, requests: Sequence[dict[str, Any]]) -> AsyncGenerator[Observation]:
        """Yield observations of the first requests, at least one."""
        begin = time.monotonic()
        try:
            await self._reset_warnings()
            async for reply in self._machine.request_batch(requests, self._deadline):
                self._splats_of(reply)
                yield Observation(reply, reply["seconds"], console=reply.get("console"))
                begin = time.monotonic()
            return
        except MachineFailed as failed:
            how = Observation(
                verdict=_VERDICTS[failed.kind], seen=failed.reason, console=failed.tail, lost=True
            )
        except RequestFailed as failed:
            splats = self._splats_of(failed.kernel_messages)
            verdict, seen = Verdict.FAIL if splats else Verdict.LOST, "; ".join([*splats, failed.fact])
            how = Observation(
                verdict=verdict, seen=seen, log=failed.log, console=failed.kernel_messages.get("console")
            )
        self.usable = False
        yield replace(how, seconds=time.monotonic() - begin)

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """Pin the vCPUs; see `AgentMachine.pin_vcpus`."""
        await self._machine.pin_vcpus(processors)

    async def end(self) -> None:
        """End the machine, whatever its state."""
        await self._machine.kill()
        self._report_splats()

    def _report_splats(self) -> None:
        self._outside(self._machine.splats[self._reported :])
        self._reported = len(self._machine.splats)

    def _splats_of(self, reply: Mapping[str, Any]) -> list[str]:
        """Return the splats of a reply, and mark them as reported."""
        splats: list[str] = reply.get("splats", [])
        self._reported += len(splats)
        self._warned = bool(splats)
        return splats

    async def _reset_warnings(self) -> None:
        """After a warning, let WARN_ONCE warn again: the next request may cause it, too."""
        if self._warned:
            self._warned = False
            with suppress(RequestFailed):  # some kernels cannot reset them
                await self._machine.ask({"kind": "forget_warnings"}, CELL_DEADLINE)
