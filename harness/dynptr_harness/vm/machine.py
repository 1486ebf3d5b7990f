"""One guest: booted or restored, asked, saved, closed. Every wait ends, and says by evidence what failed."""

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

from dynptr_harness.core.errors import EnvironmentFailed, HarnessError
from dynptr_harness.vm import qemu
from dynptr_harness.vm.channel import Channel, NotTheProtocol
from dynptr_harness.vm.console import Console
from dynptr_harness.vm.failures import FailureKind, MachineFailed, explain_end
from dynptr_harness.vm.qemu import Spec
from dynptr_harness.vm.qemu_process import QemuProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from pathlib import Path
    from types import TracebackType

    from qemu.qmp import EventListener

    from dynptr_harness.guest_image.model import BootFiles
    from dynptr_harness.vm.accelerator import Accelerator

T = TypeVar("T")

# Seconds that QEMU gets to end by itself: asked to quit, or after the kernel panicked.
GRACE = 5.0
# Seconds until the state of a machine is on the disk; a few hundred MB.
SAVE_DEADLINE = 60.0
RUN_STATE_POLL = 0.005  # seconds

# The memory is in the file where it is in the guest, so that nothing is written for pages of zeros, and is
# written and read by several threads.
CAPABILITIES = ("events", "mapped-ram", "multifd")
# No limit in bytes a second. QEMU's own is 128 MiB, as for a network: a save then took 2.3 s in place of 0.2.
PARAMETERS = {"max-bandwidth": 0}
STATE, FACTS, CONSOLE = "state", "facts.json", "console.txt"  # files of a saved machine
SAVED_HERE = b"\n--- the machine was saved here, and goes on from that ---\n"

# The package logs every end of a connection as an error; what it means is said by MachineFailed.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class RequestFailed(HarnessError):
    """The agent could not do what it was asked; it and the machine are well.

    Attributes:
        log: its traceback.
        complaints: as in the reply of `Machine.ask`.
    """

    def __init__(self, log: str, kernel_messages: dict[str, Any] | None = None) -> None:
        super().__init__(f"the agent failed: {_last_line(log)}")
        self.log = log
        self.kernel_messages = kernel_messages or {}


class Machine:
    """A guest with an agent that answers.

    Attributes:
        accelerator: what QEMU was asked to use.
        console: the file with the whole console, kept after the machine is gone.
        facts: what the agent said of the guest when it was ready.
        restored: whether it goes on from a snapshot.
        round_robin: whether its processors take turns, so that no two of them run at the same time.
    """

    def __init__(
        self, process: QemuProcess, sockets: dict[str, socket.socket], accelerator: Accelerator
    ) -> None:
        self.accelerator = accelerator
        self.console = process.console.path
        self.facts: dict[str, Any] = {}
        self.restored = False
        self.round_robin = False
        self._process = process
        self._sockets = sockets
        self._channel = Channel(sockets["commands"], sockets["events"])
        self._monitor = QMPClient()
        self._requests = 0

    @classmethod
    async def boot(
        cls,
        files: BootFiles,
        *,
        accelerator: Accelerator,
        folder: Path,
        boot_deadline: float = 120,
        cmdline: tuple[str, ...] = (),
        memory_mib: int = 1024,
        cpus: int = 2,
    ) -> Machine:
        """Boot a guest and wait for its agent.

        Args:
            files: what to boot.
            accelerator: what QEMU uses; see `dynptr_harness.vm.accelerator.choose`.
            folder: gets console.txt; made where it is missing.
            boot_deadline: seconds from the start of QEMU to the agent's ready message.
            cmdline: further kernel arguments.
            memory_mib: the guest's memory in MiB.
            cpus: the guest's processors.

        Raises:
            EnvironmentFailed: QEMU is missing or too old.
            MachineFailed: of kind BOOT; nothing is left running.
        """
        spec = Spec(files, accelerator, memory_mib, cpus, cmdline)
        machine = await cls._start(spec, Console(folder / CONSOLE))
        try:
            machine.facts = await machine._ready(boot_deadline)
        except BaseException:
            await machine.kill()
            raise
        return machine

    @classmethod
    async def restore(cls, spec: Spec, saved: Path, *, folder: Path, deadline: float) -> Machine:
        """Go on with a saved machine, as often as wanted: what was saved stays as it is.

        Args:
            spec: the same as that of the machine which was saved.
            saved: the folder that `save` filled.
            folder: gets console.txt, which begins with what was said before the machine was saved.
            deadline: seconds from the start of QEMU to the agent's first answer.

        Raises:
            OSError: a file of the saved machine cannot be read.
            HarnessError: it does not come to life; nothing is left running.
        """
        facts = json.loads((saved / FACTS).read_text())
        console = Console(folder / CONSOLE, (saved / CONSOLE).read_bytes() + SAVED_HERE)
        # held open: whole for us, also when another process throws the snapshot away meanwhile
        with (saved / STATE).open("rb") as state:
            number = state.fileno()
            machine = await cls._start(spec, console, ("-incoming", "defer"), inherited=(number,))
            try:
                late = f"no word from the agent {deadline:g} s after the restore began"
                await machine._within(machine._load(f"file:/dev/fd/{number}"), deadline, late)
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
        """A machine whose QEMU runs, with further arguments and file descriptors."""
        qemu.version()
        # Socket pairs have no name in the file system: nobody else can connect, nothing stays behind.
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

    async def save(self, folder: Path) -> None:
        """Write everything that the machine is into `folder`, and go on with it.

        Raises:
            EnvironmentFailed: it could not be written; the machine goes on.
            MachineFailed: the machine does not go on; nothing is left running.
        """
        shutil.copyfile(self.console, folder / CONSOLE)
        (folder / FACTS).write_text(json.dumps(self.facts))
        try:
            async with asyncio.timeout(SAVE_DEADLINE):
                await self._monitor.execute("stop")
                failure = await self._migrated("migrate", f"file:{folder / STATE}")
        except TimeoutError:
            failure = f"not done after {SAVE_DEADLINE:g} s"
            with contextlib.suppress(QMPError):
                await self._monitor.execute("migrate_cancel")
        except (QMPError, EOFError) as error:
            failure = str(error)
        try:
            async with asyncio.timeout(GRACE):
                await self._go_on()
        except (QMPError, TimeoutError):
            raise await self._post_mortem("it does not go on after it was saved") from None
        if failure:
            raise EnvironmentFailed(f"the machine could not be saved: {failure}")
        # A host that loses its power must not leave a file of the right size with holes in it.
        with (folder / STATE).open("rb") as state:
            await asyncio.to_thread(os.fsync, state.fileno())

    @property
    def splats(self) -> list[str]:
        """Every line so far in which the kernel complained about itself: WARN, BUG, stalls."""
        return list(self._process.console.splats)

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._process.pid

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Ask the agent one thing and wait for the answer.

        Args:
            request: what is asked; an id is added.
            deadline: seconds.

        Returns:
            The agent's reply, with "seconds" that it took in the guest. If the kernel complained about
            itself meanwhile, "splats" are the lines as in `splats`, and "console" all that it said.

        Raises:
            RequestFailed: the agent could not do it; the machine goes on.
            MachineFailed: crash, hang or loss; nothing is left running.
        """
        self._requests += 1
        number = self._requests
        late = f"no reply to request {number} after {deadline:g} s"
        console = self._process.console
        before, position = len(console.splats), console.size
        event = await self._within(self._channel.answer(request, number), deadline, late)
        # What the kernel said before the reply was in the pipe before it, and has been read with it.
        kernel_messages: dict[str, Any] = {}
        if splats := console.splats[before:]:
            kernel_messages = {"splats": splats, "console": console.since(position)}
        return reply_of(event, kernel_messages)

    async def request_batch(
        self, requests: Sequence[dict[str, Any]], deadline: float
    ) -> AsyncIterator[dict[str, Any]]:
        """Ask the agent several things, which it goes through without waiting for us.

        There are fewer replies than requests if the kernel says anything meanwhile: the agent stops after the
        request during which it did, so that what is on the console belongs to that one.

        Args:
            requests: what is asked; ids are added.
            deadline: seconds for each.

        Yields:
            each reply, as `ask`.

        Raises:
            RequestFailed, MachineFailed: as `ask`, for the request of which there was no reply yet.
        """
        first, console = self._requests + 1, self._process.console
        self._requests += len(requests)
        before, position = len(console.splats), console.size
        sent = self._channel.ask_in_turn(requests, first)
        await self._within(sent, deadline, f"the agent took no request for {deadline:g} s")
        for number, request in enumerate(requests, first):
            late = f"no reply to request {number} after {deadline:g} s"
            event = await self._within(self._channel.answer_to(request, number), deadline, late)
            kernel_logged = event.get("kernel_logged", True)
            splats = console.splats[before:] if kernel_logged else []
            kernel_messages = {"splats": splats, "console": console.since(position)} if splats else {}
            yield reply_of(event, kernel_messages)
            if kernel_logged:
                return

    async def stream(
        self, request: dict[str, Any], heard: Callable[[dict[str, Any]], None], *, silence: float
    ) -> dict[str, Any]:
        """Ask the agent for something that takes as long as it takes, and listen to what it says meanwhile.

        Args:
            request: what is asked; an id is added.
            heard: is given each event before the reply.
            silence: seconds without a word from the agent, after which the machine counts as hanging.

        Raises:
            RequestFailed, MachineFailed: as `ask`.
        """
        self._requests += 1
        number = self._requests
        late = f"no word from the agent for {silence:g} s"
        await self._within(self._channel.send({**request, "id": number}), silence, late)
        while (event := await self._within(self._channel.receive(), silence, late)).get("event") not in (
            "reply",
            "error",
        ):
            heard(event)
        if event["event"] == "error":
            raise RequestFailed(str(event.get("error")))
        reply: dict[str, Any] = event["reply"]
        return reply

    async def tell(self, message: dict[str, Any]) -> None:
        """Say something to an agent that is busy with what `stream` asked of it."""
        with contextlib.suppress(OSError):  # a machine that is gone; `converse` finds out why
            await self._channel.send(message)

    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """Run each processor of the guest on one of the host's: the first on the first of these, and so on.

        Those that take turns run where the first one does.

        Does nothing for a machine that is gone or says nothing, which is found out when it is asked.
        """
        with contextlib.suppress(QMPError, EOFError, OSError):
            async with asyncio.timeout(GRACE):
                cpus: Any = await self._monitor.execute("query-cpus-fast")
            threads = dict.fromkeys(cpu["thread-id"] for cpu in cpus)
            for number, thread in enumerate(threads):
                os.sched_setaffinity(thread, {processors[number % len(processors)]})

    async def close(self) -> None:
        """End the guest in order, or by force when it does not; does nothing when it is gone."""
        try:
            if self._monitor.runstate is Runstate.RUNNING:
                with contextlib.suppress(QMPError, EOFError, OSError, TimeoutError):
                    await asyncio.wait_for(self._monitor.execute("quit"), GRACE)
                await asyncio.wait({self._process.ended}, timeout=GRACE)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the guest by force and give everything back; does nothing when it is gone."""
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

    async def _ready(self, deadline: float) -> dict[str, Any]:
        """The facts in the agent's first message."""
        try:
            event = await self._within(
                self._first_event(), deadline, f"no word from the agent after {deadline:g} s"
            )
        except MachineFailed as failed:
            raise self._failed(FailureKind.BOOT, failed.reason) from None
        if event["event"] == "failed":
            log = str(event.get("error"))
            raise self._failed(FailureKind.BOOT, f"the agent could not start: {_last_line(log)}", log)
        facts: dict[str, Any] = event["facts"]
        return facts

    async def _load(self, uri: str) -> None:
        """Restore the state, let the guest go on, and hear from its agent."""
        await self._connect()
        try:
            if failure := await self._migrated("migrate-incoming", uri):
                raise EnvironmentFailed(f"QEMU cannot restore the machine: {failure}")
            await self._monitor.execute("cont")
        except (QMPError, AssertionError) as error:
            raise EOFError from error  # QEMU has ended or is about to; it says why on the console
        await self._channel.answer({"kind": "resume", "now": time.time()}, 0)

    async def _migrated(self, command: str, uri: str) -> str | None:
        """Have QEMU write or read its state, until that is done; None, or why it failed."""
        capabilities = [{"capability": name, "state": True} for name in CAPABILITIES]
        await self._monitor.execute("migrate-set-capabilities", {"capabilities": capabilities})
        await self._monitor.execute("migrate-set-parameters", PARAMETERS)
        with self._monitor.listener("MIGRATION") as events:
            await self._monitor.execute(command, {"uri": uri})
            while (status := await self._next_status(events)) != "completed":
                if status == "failed":
                    told = await self._monitor.execute("query-migrate")
                    return str(told.get("error-desc") if isinstance(told, dict) else told)
        return None

    async def _go_on(self) -> None:
        """Let the guest run. QEMU says that a migration is completed shortly before it would take "cont"."""
        while await self._run_state() == "finish-migrate":  # noqa: ASYNC110  (there is no event for it)
            await asyncio.sleep(RUN_STATE_POLL)
        await self._monitor.execute("cont")

    async def _run_state(self) -> object:
        told = await self._monitor.execute("query-status")
        return told["status"] if isinstance(told, dict) else None

    async def _next_status(self, events: EventListener) -> object:
        """What the next event says of a migration. Raises EOFError when QEMU ends."""
        event = asyncio.create_task(events.get())
        await asyncio.wait({event, self._process.ended}, return_when=asyncio.FIRST_COMPLETED)
        if not event.done():
            event.cancel()
            raise EOFError("QEMU ended")
        data = event.result()["data"]
        return data["status"] if isinstance(data, dict) else None

    async def _connect(self) -> None:
        # A QEMU that ends at once is explained by its console. The package asserts that a connection it
        # has just made still stands.
        with contextlib.suppress(QMPError, AssertionError):
            await self._monitor.connect(self._sockets["monitor"])
        await self._channel.open()

    async def _first_event(self) -> dict[str, Any]:
        await self._connect()
        return await self._channel.first_event()

    async def _within(self, wanted: Coroutine[Any, Any, T], deadline: float, late: str) -> T:
        """The result of `wanted`, which talks to the guest, or MachineFailed with what the evidence says.

        Args:
            wanted: may raise EOFError (the port is closed) and NotTheProtocol.
            deadline: seconds.
            late: the reason to give when the deadline passes.
        """
        talk = asyncio.create_task(wanted)
        panicked = asyncio.create_task(self._process.console.panicked.wait())
        ended = self._process.ended
        try:
            await asyncio.wait({talk, panicked, ended}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if not talk.done() and (panicked.done() or ended.done()):
                # What the guest sent before its end is still on its way; then the port is closed.
                await asyncio.wait({talk}, timeout=GRACE)
            if talk.done():
                return talk.result()
        except NotTheProtocol as error:
            await self.kill()
            raise self._failed(FailureKind.LOST, f"the guest sent what is no message: {error}") from None
        except (EOFError, OSError):
            late = "the guest closed its port, and QEMU goes on"
            await asyncio.wait({ended}, timeout=GRACE)
        finally:
            talk.cancel()
            panicked.cancel()
            await asyncio.wait({talk, panicked})  # what is half done with the sockets is undone first
        raise await self._post_mortem(late)

    async def _post_mortem(self, late: str) -> MachineFailed:
        """End what is left of the machine, and say what became of it."""
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
        """Write down where every processor is, for whoever has to find out why the guest hangs."""
        command = {"command-line": "info registers -a"}
        with contextlib.suppress(QMPError, TimeoutError):
            said = await asyncio.wait_for(self._monitor.execute("human-monitor-command", command), GRACE)
            self._process.console.keep("registers.txt", str(said))

    def _failed(self, kind: FailureKind, reason: str, log: str = "") -> MachineFailed:
        tail = f"{self._process.console.tail()}\n{log}".rstrip()
        return MachineFailed(kind, reason, tail=tail, console=self.console)

    async def _monitor_closed(self) -> None:
        """Wait until everything that QEMU said on its monitor before its end is read."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                while self._monitor.runstate is Runstate.RUNNING:
                    await self._monitor.runstate_changed()

    def _shutdown_reason(self) -> str | None:
        """The reason that QEMU gave for its end, if it came to say one."""
        reason = None
        for message in self._monitor.events.clear():
            if message["event"] == "SHUTDOWN":
                data = message["data"]
                reason = data["reason"] if isinstance(data, dict) else None
        return reason


def reply_of(event: dict[str, Any], kernel_messages: dict[str, Any]) -> dict[str, Any]:
    """The reply in an event of the agent, with the complaints of the kernel.

    Raises:
        RequestFailed: the event has none.
    """
    if event["event"] == "error":
        raise RequestFailed(str(event.get("error")), kernel_messages)
    return {**event["reply"], "seconds": event.get("seconds"), **kernel_messages}


def _last_line(log: str) -> str:
    return log.strip().rpartition("\n")[2]
