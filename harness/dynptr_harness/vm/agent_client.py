"""The host's side of the conversation with the agent. The same for a guest and for the running kernel."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from dynptr_harness.core.errors import HarnessError
from dynptr_harness.vm.events import LAST, SHOWN, NotTheProtocol
from dynptr_harness.vm.failures import FailureKind, MachineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from dynptr_harness.vm.channel import Channel
    from dynptr_harness.vm.qemu_process import QemuProcess

T = TypeVar("T")


class RequestFailed(HarnessError):
    """The agent could not carry out a request. The agent and the machine still work.

    Attributes:
        log: the agent's traceback.
        kernel_messages: as in the reply of `AgentClient.ask`.
    """

    def __init__(self, log: str, kernel_messages: dict[str, Any] | None = None) -> None:
        super().__init__(f"the agent failed: {_last_line(log)}")
        self.log = log
        self.kernel_messages = kernel_messages or {}


class AgentClient(ABC):
    """A machine with an agent that answers requests.

    Attributes:
        console: file with the console of a guest, or with the output of the agent. It outlives the machine.
        facts: the agent's description of the kernel, from its ready message.
        restored: True if the machine was restored from a snapshot.
        round_robin: True if the vCPUs take turns: no two of them run at the same time.
    """

    def __init__(self, process: QemuProcess, channel: Channel) -> None:
        self.console = process.console.path
        self.facts: dict[str, Any] = {}
        self.restored = False
        self.round_robin = False
        self._process = process
        self._channel = channel
        self._requests = 0

    @property
    @abstractmethod
    def splats(self) -> list[str]:
        """The lines of all WARN, BUG and stall messages of the kernel so far."""

    @abstractmethod
    async def pin_vcpus(self, processors: Sequence[int]) -> None:
        """Pin each vCPU to one CPU of the host, in this order."""

    @abstractmethod
    async def kill(self) -> None:
        """End the machine and free its resources. Do nothing if it has ended already."""

    @abstractmethod
    def _listen(self) -> Callable[[], dict[str, Any]]:
        """Return a function that returns the kernel's messages since this call.

        The messages are "splats" and "console", as in the reply of `ask`. They are empty without a splat.
        """

    @abstractmethod
    async def _within(self, wanted: Coroutine[Any, Any, T], deadline: float, late: str) -> T:
        """Return the result of `wanted`, or end the machine and raise MachineFailed.

        Args:
            wanted: talks to the agent. May raise EOFError (the port is closed) and NotTheProtocol.
            deadline: seconds.
            late: reason for the failure after the deadline.
        """

    async def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """Send one request and return the reply.

        Args:
            request: gets an ID.
            deadline: seconds.

        Returns:
            The agent's reply with "seconds", the time in the guest. If the kernel logged a splat meanwhile,
            "splats" has its lines as in `splats`, and "console" has all kernel messages.

        Raises:
            RequestFailed: the agent could not carry it out. The machine still works.
            MachineFailed: crash, hang or loss. The machine has ended.
        """
        self._requests += 1
        number = self._requests
        late = f"no reply to request {number} after {deadline:g} s"
        kernel_messages = self._listen()
        event = await self._within(self._channel.answer(request, number), deadline, late)
        # The kernel's messages before the reply entered the pipe before it, so they have been read.
        return _reply_of(event, kernel_messages())

    async def request_batch(
        self, requests: Sequence[dict[str, Any]], deadline: float
    ) -> AsyncIterator[dict[str, Any]]:
        """Send several requests, which the agent carries out without waiting for the host.

        The agent stops after a request during which the kernel logged anything. The messages then belong to
        this request, and there are fewer replies than requests.

        Args:
            requests: get IDs.
            deadline: seconds for each.

        Yields:
            each reply, like `ask`.

        Raises:
            RequestFailed, MachineFailed: see `ask`, for the first request without a reply.
        """
        first = self._requests + 1
        self._requests += len(requests)
        kernel_messages = self._listen()
        sent = self._channel.ask_in_turn(requests, first)
        await self._within(sent, deadline, f"the agent took no request for {deadline:g} s")
        for number, request in enumerate(requests, first):
            late = f"no reply to request {number} after {deadline:g} s"
            event = await self._within(self._channel.answer_to(request, number), deadline, late)
            kernel_logged = event.get("kernel_logged", True)
            yield _reply_of(event, kernel_messages() if kernel_logged else {})
            if kernel_logged:
                return

    async def stream(
        self, request: dict[str, Any], heard: Callable[[dict[str, Any]], None], *, silence: float
    ) -> dict[str, Any]:
        """Send a request without a deadline, and return the reply.

        Args:
            request: gets an ID.
            heard: called with each event before the reply.
            silence: seconds without an event after which the machine counts as hung.

        Raises:
            RequestFailed, MachineFailed: see `ask`.
        """
        self._requests += 1
        number = self._requests
        late = f"no word from the agent for {silence:g} s"
        await self._within(self._channel.send({**request, "id": number}), silence, late)
        while True:
            event = await self._within(self._channel.next_event(number), silence, late)
            if event.get("event") in LAST:
                break
            try:
                heard(event)
            except (LookupError, ValueError, TypeError) as error:
                await self._within(_refuse(event, error), silence, late)
        if event["event"] == "error":
            raise RequestFailed(str(event.get("error")))
        reply: dict[str, Any] = event["reply"]
        return reply

    async def tell(self, message: dict[str, Any]) -> None:
        """Send a message to an agent that is busy with a request of `stream`."""
        with contextlib.suppress(OSError):  # the machine has ended; `stream` finds out why
            await self._channel.send(message)

    async def _connect(self) -> None:
        await self._channel.open()

    async def _first_event(self) -> dict[str, Any]:
        await self._connect()
        return await self._channel.first_event()

    async def _ready(self, deadline: float) -> dict[str, Any]:
        """Return the facts in the agent's first message."""
        late = f"no word from the agent after {deadline:g} s"
        event = await self._within(self._first_event(), deadline, late)
        if event["event"] == "failed":
            raise self._start_failed(str(event.get("error")))
        facts: dict[str, Any] = event["facts"]
        return facts

    def _start_failed(self, log: str) -> MachineFailed:
        """Return the failure of an agent that could not start, from its traceback."""
        reason = f"the agent could not start: {_last_line(log)}"
        return self._failed(FailureKind.BOOT, reason, log)

    def _failed(self, kind: FailureKind, reason: str, log: str = "") -> MachineFailed:
        tail = f"{self._process.console.tail()}\n{log}".rstrip()
        return MachineFailed(kind, reason, tail=tail, console=self.console)


def _reply_of(event: dict[str, Any], kernel_messages: dict[str, Any]) -> dict[str, Any]:
    """Return the reply in an event of the agent, with the kernel's messages.

    Raises:
        RequestFailed: the event is an error.
    """
    if event["event"] == "error":
        raise RequestFailed(str(event.get("error")), kernel_messages)
    return {**event["reply"], "seconds": event.get("seconds", 0.0), **kernel_messages}


async def _refuse(event: dict[str, Any], error: Exception) -> None:
    """Raise NotTheProtocol for an event that the host cannot use."""
    raise NotTheProtocol(f"{error!r}: {str(event)[:SHOWN]}")


def _last_line(log: str) -> str:
    return log.strip().rpartition("\n")[2]
