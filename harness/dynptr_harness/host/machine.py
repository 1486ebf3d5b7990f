"""The agent as a process on the running kernel, with the guest image as its root directory."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dynptr_harness.host.kernel_log import KernelLog
from dynptr_harness.vm.agent_client import AgentClient
from dynptr_harness.vm.channel import Channel
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.events import NotTheProtocol
from dynptr_harness.vm.failures import FailureKind
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from dynptr_harness.vm.prepare import PreparedKernel

T = TypeVar("T")

START = Path(__file__).with_name("start.sh")
ISOLATED = ("unshare", "--mount", "--net", "--propagation=private")
START_DEADLINE = 60.0  # seconds until the agent has compiled its programs
GRACE = 5.0  # seconds for the agent to end by itself


class HostMachine(AgentClient):
    """The running kernel with an agent. The agent ends when the channel is closed or this process ends."""

    def __init__(self, process: QemuProcess, channel: Channel, log: KernelLog) -> None:
        super().__init__(process, channel)
        self._log = log

    @classmethod
    async def start(cls, kernel: PreparedKernel, directory: Path, *, disturb: bool = False) -> HostMachine:
        """Start the agent.

        Args:
            directory: for the console file.
            disturb: allow changes of kernel settings.

        Raises:
            EnvironmentFailed: a permission or a tool is missing.
            MachineFailed: the agent did not start. It has ended.
        """
        log = KernelLog()
        pairs = [socket.socketpair() for _ in ("commands", "events")]
        theirs = [pair[1].fileno() for pair in pairs]
        argv = [
            *("env", f"DYNPTR_HARNESS_PORTS={theirs[0]},{theirs[1]}"),
            *ISOLATED,
            *("sh", str(START), str(kernel.files.root), str(kernel.files.payload), "disturb" * disturb),
        ]
        try:
            process = await QemuProcess.start(argv, Console(directory / "console.txt"), theirs)
        finally:
            for _, end in pairs:
                end.close()
        machine = cls(process, Channel(pairs[0][0], pairs[1][0]), log)
        try:
            machine.facts = await machine._ready(START_DEADLINE)
        except BaseException:
            await machine.kill()
            raise
        return machine

    @property
    def splats(self) -> list[str]:
        self._log.read()
        return list(self._log.splats)

    def _listen(self) -> Callable[[], dict[str, Any]]:
        before = len(self.splats)  # which reads the log
        messages: list[str] = []

        def new_messages() -> dict[str, Any]:
            messages.extend(self._log.read())
            splats = self._log.splats[before:]
            return {"splats": splats, "console": "\n".join(messages)} if splats else {}

        return new_messages

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """Do nothing: there are no vCPUs."""

    async def kill(self) -> None:
        """Close the channel, and kill the agent if it does not end."""
        self._channel.close()
        if not self._process.ended.done():
            await asyncio.wait({self._process.ended}, timeout=GRACE)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.kill()
            self._log.close()

    async def _within(self, wanted: Coroutine[Any, Any, T], deadline: float, late: str) -> T:
        try:
            async with asyncio.timeout(deadline):
                return await wanted
        except TimeoutError:
            kind, reason = FailureKind.HANG, late
        except NotTheProtocol as error:
            kind, reason = FailureKind.LOST, f"the agent sent an invalid message: {error}"
        except (EOFError, OSError):
            kind, reason = FailureKind.LOST, "the agent ended"
        await self.kill()
        raise self._failed(kind, reason)
