"""Messages to and from the guest agent: JSON objects, one a line, over two one-way virtio ports.

On the way scripts are packed; see packed.py.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from dynptr_harness.protocol.codec import packed, unpacked

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

# A reply may hold verifier logs of several MiB; a guest that sends more on one line is out of its mind.
LONGEST_LINE = 64 << 20


class NotTheProtocol(Exception):
    """The guest sent something that is no message."""


class Channel:
    """The host's ends of the ports 'commands' and 'events'. Raises EOFError when the guest is gone."""

    def __init__(self, commands: socket.socket, events: socket.socket) -> None:
        self._sockets = (commands, events)
        self._streams: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        """Start to read and write."""
        commands, events = self._sockets
        _, self._commands = await asyncio.open_unix_connection(sock=commands)
        self._events, backward = await asyncio.open_unix_connection(sock=events, limit=LONGEST_LINE)
        self._streams = [self._commands, backward]

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message to the guest."""
        self._commands.write(json.dumps(message).encode() + b"\n")
        await self._commands.drain()

    async def receive(self) -> dict[str, Any]:
        """The next message of the guest.

        Raises:
            EOFError: the guest's end is closed.
            NotTheProtocol: the line is no JSON object.
        """
        try:
            line = await self._events.readline()
        except ValueError:
            raise NotTheProtocol(f"a line longer than {LONGEST_LINE >> 20} MiB") from None
        if not line.endswith(b"\n"):
            raise EOFError("the guest closed its port")
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise NotTheProtocol(line[:200].decode(errors="replace").rstrip())
        return message

    async def first_event(self) -> dict[str, Any]:
        """What the agent says first: that it is ready, with its facts, or that it failed.

        Raises EOFError and NotTheProtocol as `receive`.
        """
        event = await self.receive()
        if event.get("event") != "failed" and not isinstance(event.get("facts"), dict):
            raise NotTheProtocol(str(event)[:200])
        return event

    async def answer(self, request: dict[str, Any], number: int) -> dict[str, Any]:
        """The event with the reply to a request, or with the agent's error.

        Raises EOFError and NotTheProtocol as `receive`.
        """
        await self.send({**packed(request), "id": number})
        return await self.answer_to(request, number)

    async def ask_in_turn(self, requests: Sequence[dict[str, Any]], first: int) -> None:
        """Send requests that the agent goes through without waiting for us, numbered from `first`."""
        numbered = [{**packed(request), "id": number} for number, request in enumerate(requests, first)]
        await self.send({"in_turn": numbered})

    async def answer_to(self, request: dict[str, Any], number: int) -> dict[str, Any]:
        """As `answer`, to a request that was sent.

        The event also has `kernel_logged`: True if the kernel logged anything meanwhile. If so, or with an
        error, the agent passes over what else it was asked with this.
        """
        event = await self.receive()
        is_reply = event.get("event") == "reply" and isinstance(event.get("reply"), dict)
        if event.get("id") != number or not (is_reply or event.get("event") == "error"):
            raise NotTheProtocol(str(event)[:200])
        if is_reply:
            try:
                event["reply"] = unpacked(request, event["reply"])
            except (ValueError, TypeError, AttributeError) as error:
                raise NotTheProtocol(f"{error}: {event!s:.200}") from error
        return event

    def close(self) -> None:
        """Give up both sockets."""
        for stream in self._streams:
            stream.transport.abort()
        if not self._streams:
            for each in self._sockets:
                each.close()
