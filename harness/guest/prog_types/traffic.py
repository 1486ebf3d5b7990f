"""Messages that fire programs, each with the proof that it arrived: then all programs on its way are done.

What a packet passes after its sender may be done later, in a softirq: only its arrival says that it is over.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ARRIVAL_S = 5.0
MESSAGE = b"message"


def arrival(receiver: socket.socket, skip: int = 0) -> dict[str, str | None]:
    """What arrived, for the host, without its first `skip` bytes; None if nothing did in time."""
    receiver.settimeout(ARRIVAL_S)
    try:
        return {"received": receiver.recv(256)[skip:].decode()}
    except TimeoutError:
        return {"received": None}


def datagram(address: str = "127.0.0.1") -> dict[str, str | None]:
    """Send a UDP datagram to a local address; what arrived."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("", 0))
        sender.sendto(MESSAGE, (address, receiver.getsockname()[1]))
        return arrival(receiver)


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection: the one that connected, and the one that accepted."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=ARRIVAL_S) as client,
    ):
        accepted, _ = server.accept()
        with accepted:
            yield client, accepted
