"""A session: one machine while it is asked, and what comes of each question."""

from __future__ import annotations

import time
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.vm.failures import FailureKind, MachineFailed
from dynptr_harness.vm.machine import RequestFailed

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


class Guest(Protocol):
    """What a run needs of a machine; `dynptr_harness.vm.machine.Machine` is one."""

    facts: dict[str, Any]
    console: Path
    restored: bool
    round_robin: bool

    @property
    def splats(self) -> list[str]:
        """Every line so far in which the kernel complained about itself."""

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """One request, one reply."""

    def request_batch(
        self, requests: Sequence[dict[str, Any]], deadline: float
    ) -> AsyncIterator[dict[str, Any]]:
        """The replies to several requests, or to the first of them; see `Machine.request_batch`."""

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """Run each processor of the guest on one of the host's, in this order."""

    async def kill(self) -> None:
        """End the guest at once; does nothing when it is gone."""


class Boot(Protocol):
    """How a machine comes to be; `dynptr_harness.vm.launcher.Machines.start` is one way."""

    def __call__(
        self, subject: PreparedKernel, folder: Path, *, round_robin: bool
    ) -> Coroutine[Any, Any, Guest]:
        """Boot a subject.

        Args:
            folder: for its console.
            round_robin: run emulated vCPUs on one thread; see `CpuSlot`.
        """


@dataclass(frozen=True)
class Observation:
    """What came of one request, for every cell that asks the same.

    Attributes:
        reply: the agent's, or None.
        seconds: in the guest; until it was lost where there is no reply.
        verdict, seen, log: as in CellResult, where there is no reply that can be judged.
        console: as in CellResult.
        lost: whether the machine went with it.
    """

    reply: dict[str, Any] | None = None
    seconds: float = 0.0
    verdict: Verdict = Verdict.LOST
    seen: str = ""
    log: str | None = None
    console: str | None = None
    lost: bool = False


class Session:
    """A machine that is asked.

    Args:
        machine: fresh; nobody else asks it.
        outside: is given the lines in which the kernel complains of itself outside of questions.

    Attributes:
        sound: whether the machine can be asked on: it lives, and the agent did all that it was asked. What
            an agent leaves behind that failed in the middle of an experiment, nobody knows.
    """

    def __init__(self, machine: Guest, outside: Callable[[list[str]], None]) -> None:
        self.sound = True
        self._machine = machine
        self._outside = outside
        self._heard = 0  # how many complaints are accounted for
        self._warned = False

    @property
    def round_robin(self) -> bool:
        """Whether no two processors of the machine run at the same time."""
        return self._machine.round_robin

    async def observe(self, requests: Sequence[dict[str, Any]]) -> AsyncGenerator[Observation]:
        """What comes of each request; ends with the one after which the machine cannot be asked on."""
        done = 0
        while done < len(requests) and self.sound:
            self._listen()
            async with aclosing(self._in_turn(requests[done:])) as observed:
                async for each in observed:
                    done += 1
                    yield each

    async def _in_turn(self, requests: Sequence[dict[str, Any]]) -> AsyncGenerator[Observation]:
        """What comes of the first requests, at least of one."""
        begin = time.monotonic()
        try:
            await self._forget_warnings()
            async for reply in self._machine.request_batch(requests, CELL_DEADLINE):
                self._note(reply)
                yield Observation(reply, reply["seconds"], console=reply.get("console"))
                begin = time.monotonic()
            return
        except MachineFailed as failed:
            how = Observation(
                verdict=_VERDICTS[failed.kind], seen=failed.reason, console=failed.tail, lost=True
            )
        except RequestFailed as failed:
            splats = self._note(failed.kernel_messages)
            verdict, seen = Verdict.FAIL if splats else Verdict.LOST, "; ".join([*splats, failed.fact])
            how = Observation(
                verdict=verdict, seen=seen, log=failed.log, console=failed.kernel_messages.get("console")
            )
        self.sound = False
        yield replace(how, seconds=time.monotonic() - begin)

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """The machine runs on these processors from now on; see `Guest.pin_vcpus`."""
        await self._machine.pin_vcpus(processors)

    async def end(self) -> None:
        """End the machine, in whatever state it is: nothing in it is to be kept."""
        await self._machine.kill()
        self._listen()

    def _listen(self) -> None:
        self._outside(self._machine.splats[self._heard :])
        self._heard = len(self._machine.splats)

    def _note(self, reply: Mapping[str, Any]) -> list[str]:
        """The complaints that belong to a reply."""
        splats: list[str] = reply.get("splats", [])
        self._heard += len(splats)
        self._warned = bool(splats)
        return splats

    async def _forget_warnings(self) -> None:
        """After a warning: what comes only once will come again, if the next request draws it, too."""
        if self._warned:
            self._warned = False
            with suppress(RequestFailed):  # a kernel that cannot forget
                await self._machine.ask({"kind": "forget_warnings"}, CELL_DEADLINE)
