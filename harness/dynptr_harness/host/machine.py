"""The running kernel as a machine: the agent is a process of this host, with the guest image as its root."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dynptr_harness.host.kernel_log import KernelLog
from dynptr_harness.vm.channel import Channel, NotTheProtocol
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.failures import FailureKind, MachineFailed
from dynptr_harness.vm.machine import reply_of
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from dynptr_harness.vm.prepare import PreparedKernel

T = TypeVar("T")

START = Path(__file__).with_name("start.sh")
ISOLATED = ("unshare", "--mount", "--net", "--propagation=private")
START_DEADLINE = 60.0  # seconds until the agent has compiled its programs
GRACE = 5.0  # seconds for the agent to end by itself


class HostMachine:
    """The running kernel, and an agent that answers. It ends when its channel is closed, as by our end.

    Attributes:
        facts: what the agent said of the kernel when it was ready.
        console: the file with what the agent said beside its answers.
        restored: never; there are no snapshots here.
        round_robin: never; the processors are the host's.
    """

    restored = round_robin = False

    def __init__(self, process: QemuProcess, channel: Channel, log: KernelLog) -> None:
        self.facts: dict[str, Any] = {}
        self.console = process.console.path
        self._process = process
        self._channel = channel
        self._log = log
        self._requests = 0

    @classmethod
    async def start(cls, subject: PreparedKernel, folder: Path, *, disturb: bool = False) -> HostMachine:
        """Start the agent.

        Args:
            folder: for its console.
            disturb: it may change settings of the kernel.

        Raises:
            EnvironmentFailed: this process may not, or a tool is missing.
            MachineFailed: the agent does not come up; nothing is left running.
        """
        log = KernelLog()
        pairs = [socket.socketpair() for _ in ("commands", "events")]
        theirs = [pair[1].fileno() for pair in pairs]
        argv = [
            *("env", f"DYNPTR_HARNESS_PORTS={theirs[0]},{theirs[1]}"),
            *ISOLATED,
            *("sh", str(START), str(subject.files.root), str(subject.files.payload), "disturb" * disturb),
        ]
        try:
            process = await QemuProcess.start(argv, Console(folder / "console.txt"), theirs)
        finally:
            for _, end in pairs:
                end.close()
        machine = cls(process, Channel(pairs[0][0], pairs[1][0]), log)
        try:
            machine.facts = await machine._ready()
        except BaseException:
            await machine.kill()
            raise
        return machine

    @property
    def splats(self) -> list[str]:
        """Every line so far in which the kernel complained about itself."""
        self._log.read()
        return list(self._log.splats)

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Ask the agent one thing and wait for the answer; as `dynptr_harness.vm.machine.Machine.ask`."""
        self._requests += 1
        number = self._requests
        before = len(self.splats)
        late = f"no reply to request {number} after {deadline:g} s"
        event = await self._within(self._channel.answer(request, number), deadline, late)
        said = self._log.read()
        kernel_messages: dict[str, Any] = {}
        if splats := self._log.splats[before:]:
            kernel_messages = {"splats": splats, "console": "\n".join(said)}
        return reply_of(event, kernel_messages)

    async def request_batch(
        self, requests: Sequence[dict[str, Any]], deadline: float
    ) -> AsyncIterator[dict[str, Any]]:
        """Ask the agent several things in turn; as `dynptr_harness.vm.machine.Machine.request_batch`."""
        first = self._requests + 1
        self._requests += len(requests)
        before, said = len(self.splats), []
        late = f"the agent took no request for {deadline:g} s"
        await self._within(self._channel.ask_in_turn(requests, first), deadline, late)
        for number, request in enumerate(requests, first):
            late = f"no reply to request {number} after {deadline:g} s"
            event = await self._within(self._channel.answer_to(request, number), deadline, late)
            said += self._log.read()
            kernel_logged = event.get("kernel_logged", True)
            splats = self._log.splats[before:] if kernel_logged else []
            yield reply_of(event, {"splats": splats, "console": "\n".join(said)} if splats else {})
            if kernel_logged:
                return

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """There is no guest whose processors could be kept anywhere."""

    async def kill(self) -> None:
        """End the agent, in order if it will; does nothing when it is gone."""
        self._channel.close()
        if not self._process.ended.done():
            await asyncio.wait({self._process.ended}, timeout=GRACE)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.kill()
            self._log.close()

    async def _ready(self) -> dict[str, Any]:
        await self._channel.open()
        late = f"no word from the agent after {START_DEADLINE:g} s"
        event = await self._within(self._channel.first_event(), START_DEADLINE, late)
        if event["event"] == "failed":
            raise self._failed(FailureKind.BOOT, f"the agent could not start: {event.get('error')}")
        facts: dict[str, Any] = event["facts"]
        return facts

    async def _within(self, wanted: Coroutine[Any, Any, T], deadline: float, late: str) -> T:
        """What comes of talking with the agent, or MachineFailed; then the agent is gone."""
        try:
            async with asyncio.timeout(deadline):
                return await wanted
        except TimeoutError:
            kind, reason = FailureKind.HANG, late
        except NotTheProtocol as error:
            kind, reason = FailureKind.LOST, f"the agent sent what is no message: {error}"
        except (EOFError, OSError):
            kind, reason = FailureKind.LOST, "the agent ended"
        await self.kill()
        raise self._failed(kind, reason)

    def _failed(self, kind: FailureKind, reason: str) -> MachineFailed:
        tail = self._process.console.tail()
        return MachineFailed(kind, reason, tail=tail, console=self.console)
