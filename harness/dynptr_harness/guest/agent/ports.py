"""The two ports to the host: one to read requests from, one to write events to.

They are virtio ports, or on the host's own kernel the descriptors that the agent was started with.

Two, because a guest that writes to the port it polls can hang the virtio console for good.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = Path("/sys/class/virtio-ports")
DESCRIPTORS = "DYNPTR_HARNESS_PORTS"  # in the environment: COMMANDS,EVENTS


def _device(name: str) -> Path:
    """The device of the port called `name`; there is no udev in the guest to make links."""
    for port in PORTS.iterdir():
        if (port / "name").read_text().strip() == name:
            return Path("/dev") / port.name
    raise FileNotFoundError(f"no virtio port is called {name!r}")


class Ports:
    """Requests in, events out: JSON, one object a line."""

    def __init__(self) -> None:
        if given := os.environ.get(DESCRIPTORS):
            requests, events = map(int, given.split(","))
            self._requests: TextIO = os.fdopen(requests, encoding="utf-8")
            self._events: TextIO = os.fdopen(events, "w", encoding="utf-8")
            return
        self._requests = _device("commands").open(encoding="utf-8")
        self._events = _device("events").open("w", encoding="utf-8")

    def send(self, event: str, **fields: Any) -> None:
        """Write one event at once."""
        self._events.write(json.dumps({"event": event, **fields}) + "\n")
        self._events.flush()

    def requests(self) -> Iterator[dict[str, Any]]:
        """Every request, until the host closes its end."""
        for line in self._requests:
            if line.strip():
                yield json.loads(line)
