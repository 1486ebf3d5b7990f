"""Packets that fire programs.

A softirq may process a packet after send(2) returns. All programs have run when the packet has arrived.
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
    """Receive a packet and return {"received": TEXT}. TEXT is None if none arrives in ARRIVAL_S seconds.

    Args:
        skip: number of bytes before the text.
        size: size of the packet, to ignore packets that the kernel itself sends. None accepts all sizes.
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
    """Send a UDP datagram to a local address. Return the result of `arrival`."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("", 0))
        sender.sendto(MESSAGE, (address, receiver.getsockname()[1]))
        return arrival(receiver)


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield a TCP connection: the connecting socket and the accepted socket."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=ARRIVAL_S) as client,
    ):
        accepted, _ = server.accept()
        with accepted:
            yield client, accepted
