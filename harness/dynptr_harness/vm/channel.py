"""Messages to and from the agent: lines of JSON over two one-way virtio ports.

Scripts are packed; see `dynptr_harness.protocol.codec`.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from dynptr_harness.protocol.codec import packed, unpacked
from dynptr_harness.vm.events import LAST, SHOWN, NotTheProtocol, check_answer, check_first, parsed

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

# Replies contain verifier logs of several MiB. A longer line is an error of the guest.
LONGEST_LINE = 64 << 20


class Channel:
    """The host's ends of the ports 'commands' and 'events'."""

    def __init__(self, commands: socket.socket, events: socket.socket) -> None:
        self._sockets = (commands, events)
        self._streams: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        """Open the streams of both sockets."""
        commands, events = self._sockets
        _, self._commands = await asyncio.open_unix_connection(sock=commands)
        self._events, backward = await asyncio.open_unix_connection(sock=events, limit=LONGEST_LINE)
        self._streams = [self._commands, backward]

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raise ConnectionResetError if the port is closed."""
        if self._commands.is_closing():
            raise ConnectionResetError("the port is closed")
        self._commands.write(json.dumps(message).encode() + b"\n")
        await self._commands.drain()

    async def receive(self) -> dict[str, Any]:
        """Return the next message.

        Raises:
            EOFError: the guest closed its port.
            NotTheProtocol: the line is not a JSON object.
        """
        try:
            line = await self._events.readline()
        except ValueError:
            raise NotTheProtocol(f"a line longer than {LONGEST_LINE >> 20} MiB") from None
        if not line.endswith(b"\n"):
            raise EOFError("the guest closed its port")
        return parsed(line)

    async def first_event(self) -> dict[str, Any]:
        """Return the first event of the agent: ready, with its facts, or failed.

        Raises EOFError and NotTheProtocol like `receive`.
        """
        event = await self.receive()
        check_first(event)
        return event

    async def next_event(self, number: int) -> dict[str, Any]:
        """Return the next event of a request, checked if it is the last one.

        Raises EOFError and NotTheProtocol like `receive`.
        """
        event = await self.receive()
        if event.get("event") in LAST:
            check_answer(event, number)
        return event

    async def answer(self, request: dict[str, Any], number: int) -> dict[str, Any]:
        """Send a request and return the event with its reply or with the agent's error.

        Raises EOFError and NotTheProtocol like `receive`.
        """
        await self.send({**packed(request), "id": number})
        return await self.answer_to(request, number)

    async def ask_in_turn(self, requests: Sequence[dict[str, Any]], first: int) -> None:
        """Send requests that the agent carries out in turn, numbered from `first`."""
        numbered = [{**packed(request), "id": number} for number, request in enumerate(requests, first)]
        await self.send({"in_turn": numbered})

    async def answer_to(self, request: dict[str, Any], number: int) -> dict[str, Any]:
        """Return the event that answers a request sent before, like `answer`.

        "kernel_logged" in the event is True if the kernel logged anything meanwhile. After this and after an
        error the agent skips the remaining requests.
        """
        event = await self.receive()
        check_answer(event, number)
        if event["event"] == "reply":
            try:
                event["reply"] = unpacked(request, event["reply"])
            except (ValueError, TypeError, AttributeError, KeyError) as error:
                raise NotTheProtocol(f"{error}: {str(event)[:SHOWN]}") from error
        return event

    def close(self) -> None:
        """Close both sockets."""
        for stream in self._streams:
            stream.transport.abort()
        if not self._streams:
            for each in self._sockets:
                each.close()
