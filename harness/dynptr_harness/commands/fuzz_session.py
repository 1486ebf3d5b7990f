"""The common base of `fuzz` and `fuzz-programs`: a machine, limits, and missing answers."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dynptr_harness.core.errors import EnvironmentFailed, ExitStatus
from dynptr_harness.vm.failures import FailureKind, MachineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynptr_harness.vm.launcher import Machines
    from dynptr_harness.vm.machine import Machine
    from dynptr_harness.vm.prepare import PreparedKernel

KERNEL_FAILED = {FailureKind.CRASH, FailureKind.HANG}
MAX_FOUND = 5  # failures after which a run ends
MAX_UNANSWERED = 20  # missing answers after which a run ends


class KernelFailed(Exception):
    """The kernel crashed or hung during a request. This is a result, not a failure of the environment."""


@dataclass(frozen=True)
class FuzzLimits:
    """When a run ends: after a number of seconds, or of sequences or programs."""

    seconds: float | None = None
    inputs: int | None = None

    def reached(self, began: float, done: int) -> bool:
        """Return True if the run is over."""
        return (self.seconds is not None and time.monotonic() - began >= self.seconds) or (
            self.inputs is not None and done >= self.inputs
        )

    def cut(self, size: int, done: int) -> int:
        """Return how many of the next `size` inputs are within the limit."""
        return size if self.inputs is None else min(size, self.inputs - done)


@dataclass
class FuzzRun(ABC):
    """The findings of a run on one kernel.

    Attributes:
        unanswered: why inputs have no answer, for reasons that are not the kernel's.
    """

    release: str
    seed: int
    seconds: float = 0.0
    unanswered: list[str] = field(default_factory=list)

    @property
    @abstractmethod
    def done(self) -> int:
        """The number of inputs, with those that have no answer."""

    @property
    @abstractmethod
    def failed(self) -> int:
        """The number of failures of the kernel."""

    @property
    def may_continue(self) -> bool:
        """True unless more failures or missing answers would say nothing new."""
        return self.failed < MAX_FOUND and len(self.unanswered) < MAX_UNANSWERED

    @property
    def status(self) -> ExitStatus:
        """The exit status: a failure of the kernel first, then a missing answer."""
        if self.failed:
            return ExitStatus.NOT_AS_EXPECTED
        return ExitStatus.ENVIRONMENT_FAILED if self.unanswered else ExitStatus.AS_EXPECTED

    def missing_answers(self) -> Iterator[str]:
        """Yield a line for each reason for which an input has no answer."""
        yield from (f"not answered: {reason}" for reason in dict.fromkeys(self.unanswered))


class FuzzSession:
    """Sends requests to one kernel. A machine that fails is replaced by a fresh one.

    Args:
        tell: called with a line for each failure and for progress.
    """

    def __init__(self, machines: Machines, prepared: PreparedKernel, tell: Callable[[str], None]) -> None:
        self._machines = machines
        self._prepared = prepared
        self._tell = tell
        self._machine: Machine | None = None

    async def _facts(self) -> dict[str, Any]:
        """Return the agent's description of the kernel.

        Raises:
            EnvironmentFailed: the kernel lacks the helper.
        """
        facts = (await self._ready()).facts
        if not facts.get("has_helper"):
            raise EnvironmentFailed(
                f"Linux {facts['release']} does not have bpf_ringbuf_reserve_dynptr",
                "use Linux 5.19 or newer",
            )
        return facts

    async def _ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Return the reply to a request.

        Raises:
            KernelFailed: the kernel crashed or hung.
            HarnessError: there is no answer, for a reason that is not the kernel's.
        """
        machine = await self._ready()
        try:
            return await machine.ask(request, deadline)
        except MachineFailed as failed:
            self._machine = None
            if failed.kind in KERNEL_FAILED:
                raise KernelFailed(str(failed)) from failed
            raise

    async def _ready(self) -> Machine:
        if not self._machine:
            self._machine = await self._machines.start(self._prepared)
        return self._machine

    async def _drop(self) -> None:
        if self._machine:
            await self._machine.kill()
            self._machine = None
