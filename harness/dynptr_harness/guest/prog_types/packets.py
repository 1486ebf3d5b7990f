"""Messages that fire programs, each with the proof that it arrived: then all programs on its way are done.

What a packet passes after its sender may be done later, in a softirq: only its arrival says that it is over.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ARRIVAL_S = 5.0
MESSAGE = b"message"


def arrival(receiver: socket.socket, skip: int = 0, size: int | None = None) -> dict[str, str | None]:
    """What arrived, for the host, without its first `skip` bytes; None if nothing did in time.

    With `size` only what has that many bytes counts: the kernel sends packets of its own on some ways.
    """
    give_up = time.monotonic() + ARRIVAL_S
    while (left := give_up - time.monotonic()) > 0:
        receiver.settimeout(left)
        try:
            received = receiver.recv(256)
        except TimeoutError:
            break
        if size in (None, len(received)):
            return {"received": received[skip:].decode()}
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
