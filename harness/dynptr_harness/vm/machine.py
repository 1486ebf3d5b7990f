"""One guest under QEMU: boot or restore, save, end. Every wait has a deadline, and a failure has evidence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, TypeVar

from qemu.qmp import QMPClient, QMPError, Runstate

from dynptr_harness.core import shortage
from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.vm import qemu
from dynptr_harness.vm.agent_client import AgentClient
from dynptr_harness.vm.channel import Channel
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.events import NotTheProtocol
from dynptr_harness.vm.failures import FailureKind, MachineFailed, explain_end
from dynptr_harness.vm.migration import CONSOLE, FACTS, STATE, Migration
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path
    from types import TracebackType

    from dynptr_harness.vm.accelerator import Accelerator
    from dynptr_harness.vm.qemu import Spec

T = TypeVar("T")

# Seconds for QEMU to end by itself, after "quit" or after a panic of the kernel.
GRACE = 5.0
SAVED_HERE = b"\n--- saved here; the restored machine continues ---\n"

# The package logs every end of a connection as an error. MachineFailed says what it means.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class Machine(AgentClient):
    """A guest with an agent.

    Attributes:
        accelerator: the accelerator that QEMU was started with.
    """

    def __init__(
        self, process: QemuProcess, sockets: dict[str, socket.socket], accelerator: Accelerator
    ) -> None:
        super().__init__(process, Channel(sockets["commands"], sockets["events"]))
        self.accelerator = accelerator
        self._sockets = sockets
        self._monitor = QMPClient()
        self._killed: asyncio.Task[None] | None = None
        self._migration = Migration(self._monitor, process.ended)

    @classmethod
    async def boot(cls, spec: Spec, directory: Path) -> Machine:
        """Boot a guest and wait for its agent.

        Args:
            directory: directory for console.txt. Created if it is missing.

        Raises:
            EnvironmentFailed: QEMU is missing or too old.
            MachineFailed: of kind BOOT. QEMU has ended.
        """
        machine = await cls._start(spec, Console(directory / CONSOLE, on_line=spec.on_console))
        try:
            machine.facts = await machine._ready(spec.boot_deadline)
        except BaseException:
            await machine.kill()
            raise
        return machine

    @classmethod
    async def restore(cls, spec: Spec, saved: Path, *, directory: Path, deadline: float) -> Machine:
        """Restore a saved machine. The files of the saved machine do not change.

        Args:
            spec: equal to the spec of the machine that was saved.
            saved: directory that `save` filled.
            directory: directory for console.txt, which begins with the console of the saved machine.
            deadline: seconds from the start of QEMU to the agent's first answer.

        Raises:
            OSError: a file of the saved machine cannot be read.
            HarnessError: the restore failed. QEMU has ended.
        """
        facts = json.loads((saved / FACTS).read_text())
        earlier = (saved / CONSOLE).read_bytes() + SAVED_HERE
        console = Console(directory / CONSOLE, earlier, on_line=spec.on_console)
        # The open file stays complete if another process removes the snapshot meanwhile.
        with (saved / STATE).open("rb") as state:
            number = state.fileno()
            machine = await cls._start(spec, console, ("-incoming", "defer"), inherited=(number,))
            try:
                late = f"no word from the agent {deadline:g} s after the restore began"
                await machine._within(machine._load(number), deadline, late)
                machine.facts = facts
                machine.restored = True
                machine.round_robin = spec.round_robin
            except BaseException:
                await machine.kill()
                raise
        return machine

    @classmethod
    async def _start(
        cls, spec: Spec, console: Console, arguments: Sequence[str] = (), inherited: Sequence[int] = ()
    ) -> Machine:
        """Start QEMU with further arguments and inherited file descriptors."""
        qemu.version()
        # Socket pairs have no name in the file system: no other process can connect, and no file is left.
        with shortage.reported("QEMU cannot be started"):
            pairs = {name: socket.socketpair() for name in ("commands", "events", "monitor")}
        numbers = {name: theirs.fileno() for name, (_, theirs) in pairs.items()}
        argv = [*spec.command(numbers), *arguments]
        try:
            process = await QemuProcess.start(argv, console, [*numbers.values(), *inherited])
        except BaseException:
            for ours, _ in pairs.values():
                ours.close()
            raise
        finally:
            for _, theirs in pairs.values():
                theirs.close()
        return cls(process, {name: ours for name, (ours, _) in pairs.items()}, spec.accelerator)

    async def save(self, directory: Path) -> None:
        """Write the state of the machine to a directory, then let the guest continue.

        Raises:
            EnvironmentFailed: the state could not be written. The guest continues.
            MachineFailed: the guest could not continue. QEMU has ended.
        """
        shutil.copyfile(self.console, directory / CONSOLE)
        (directory / FACTS).write_text(json.dumps(self.facts))
        failure = await self._migration.save(directory / STATE)
        try:
            async with asyncio.timeout(GRACE):
                await self._migration.resume()
        except (QMPError, TimeoutError):
            raise await self._post_mortem("it does not continue after it was saved") from None
        if failure:
            raise EnvironmentFailed(f"the machine could not be saved: {failure}")
        # A power failure of the host must not leave a file of the right size with holes in it.
        with (directory / STATE).open("rb") as state:
            await asyncio.to_thread(os.fsync, state.fileno())

    @property
    def splats(self) -> list[str]:
        return list(self._process.console.splats)

    @property
    def pid(self) -> int:
        """The process ID of QEMU."""
        return self._process.pid

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """Pin each vCPU to one CPU of the host, in this order.

        vCPUs that take turns share one thread, which runs on the first CPU. Do nothing if QEMU has ended or
        does not answer: the next request finds that out.
        """
        with contextlib.suppress(QMPError, EOFError, OSError):
            async with asyncio.timeout(GRACE):
                cpus: Any = await self._monitor.execute("query-cpus-fast")
            threads = dict.fromkeys(cpu["thread-id"] for cpu in cpus)
            for number, thread in enumerate(threads):
                os.sched_setaffinity(thread, {processors[number % len(processors)]})

    async def close(self) -> None:
        """Ask QEMU to quit, and kill it if it does not. Do nothing if it has ended already."""
        try:
            if self._monitor.runstate is Runstate.RUNNING:
                with contextlib.suppress(QMPError, EOFError, OSError, TimeoutError):
                    await asyncio.wait_for(self._monitor.execute("quit"), GRACE)
                await asyncio.wait({self._process.ended}, timeout=GRACE)
        finally:
            await self.kill()

    async def kill(self) -> None:
        # The package abandons a future if its disconnect is cancelled, and fails if it is called twice.
        self._killed = self._killed or asyncio.create_task(self._kill())
        cancelled = False
        while not self._killed.done():
            try:
                await asyncio.wait({self._killed})
            except asyncio.CancelledError:
                cancelled = True
        self._killed.result()
        if cancelled:
            raise asyncio.CancelledError

    async def _kill(self) -> None:
        self._process.signal(signal.SIGKILL)
        self._channel.close()
        if self._monitor.runstate is not Runstate.IDLE:
            with contextlib.suppress(QMPError, EOFError, OSError):
                await self._monitor.disconnect()
        self._sockets["monitor"].close()
        await self._process.kill()

    async def __aenter__(self) -> Machine:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _listen(self) -> Callable[[], dict[str, Any]]:
        console = self._process.console
        before, position = len(console.splats), console.size

        def new_messages() -> dict[str, Any]:
            splats = console.splats[before:]
            return {"splats": splats, "console": console.since(position)} if splats else {}

        return new_messages

    async def _ready(self, deadline: float) -> dict[str, Any]:
        try:
            return await super()._ready(deadline)
        except MachineFailed as failed:
            if failed.kind is FailureKind.BOOT:
                raise
            raise self._failed(FailureKind.BOOT, failed.reason) from None

    async def _load(self, descriptor: int) -> None:
        """Load the state, let the guest run, and wait for its agent."""
        await self._connect()
        try:
            if failure := await self._migration.load(descriptor):
                raise EnvironmentFailed(f"QEMU cannot restore the machine: {failure}")
            await self._monitor.execute("cont")
        except (QMPError, AssertionError) as error:
            raise EOFError from error  # QEMU has ended or is about to; the console has the reason
        await self._channel.answer({"kind": "resume", "now": time.time()}, 0)

    async def _connect(self) -> None:
        # If QEMU ends immediately, the console has the reason. The package asserts that a new connection is
        # still open.
        with contextlib.suppress(QMPError, AssertionError):
            await self._monitor.connect(self._sockets["monitor"])
        await super()._connect()

    async def _within(self, wanted: Coroutine[Any, Any, T], deadline: float, late: str) -> T:
        talk = asyncio.create_task(wanted)
        panicked = asyncio.create_task(self._process.console.panicked.wait())
        ended = self._process.ended
        try:
            await asyncio.wait({talk, panicked, ended}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if not talk.done() and (panicked.done() or ended.done()):
                # The guest's last messages are still on their way. After them the port is closed.
                await asyncio.wait({talk}, timeout=GRACE)
            if talk.done():
                return talk.result()
        except NotTheProtocol as error:
            await self.kill()
            raise self._failed(FailureKind.LOST, f"the guest sent an invalid message: {error}") from None
        except (EOFError, OSError):
            late = "the guest closed its port, and QEMU is still running"
            await asyncio.wait({ended}, timeout=GRACE)
        finally:
            talk.cancel()
            panicked.cancel()
            await asyncio.wait({talk, panicked})  # both have released the sockets
        raise await self._post_mortem(late)

    async def _post_mortem(self, late: str) -> MachineFailed:
        """End the machine and return its failure."""
        console = self._process.console
        if self._process.ended.done():
            await self._monitor_closed()
            kind, reason = explain_end(console, self._process.ended.result(), self._shutdown_reason())
        elif console.panic:
            kind, reason = FailureKind.CRASH, console.panic
        else:
            kind, reason = FailureKind.HANG, late
            await self._keep_registers()
        await self.kill()
        return self._failed(kind, reason)

    async def _keep_registers(self) -> None:
        """Write the registers of every vCPU to a file, to debug the hang."""
        command = {"command-line": "info registers -a"}
        with contextlib.suppress(QMPError, TimeoutError):
            output = await asyncio.wait_for(self._monitor.execute("human-monitor-command", command), GRACE)
            self._process.console.keep("registers.txt", str(output))

    async def _monitor_closed(self) -> None:
        """Wait until all of QEMU's messages on the monitor are read."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                while self._monitor.runstate is Runstate.RUNNING:
                    await self._monitor.runstate_changed()

    def _shutdown_reason(self) -> str | None:
        """Return the reason in QMP's SHUTDOWN event, or None without this event."""
        reason = None
        for message in self._monitor.events.clear():
            if message["event"] == "SHUTDOWN":
                data = message["data"]
                reason = data["reason"] if isinstance(data, dict) else None
        return reason
