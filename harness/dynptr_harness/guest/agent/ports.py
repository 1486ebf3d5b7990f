"""The two ports to the host: one for requests, one for events.

In a guest they are virtio ports. On the running kernel they are file descriptors that the agent inherits.

There are two because a guest that polls and writes the same virtio port can hang the virtio console.
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
    """Return the device of a virtio port. The guest has no udev that would create links by name."""
    for port in PORTS.iterdir():
        if (port / "name").read_text().strip() == name:
            return Path("/dev") / port.name
    raise FileNotFoundError(f"no virtio port is called {name!r}")


class AgentPorts:
    """Reads requests and writes events. Each is a JSON object on one line."""

    def __init__(self) -> None:
        if given := os.environ.get(DESCRIPTORS):
            requests, events = map(int, given.split(","))
            self._requests: TextIO = os.fdopen(requests, encoding="utf-8")
            self._events: TextIO = os.fdopen(events, "w", encoding="utf-8")
            return
        self._requests = _device("commands").open(encoding="utf-8")
        self._events = _device("events").open("w", encoding="utf-8")

    def send(self, event: str, **fields: Any) -> None:
        """Write one event."""
        self._events.write(json.dumps({"event": event, **fields}) + "\n")
        self._events.flush()

    def requests(self) -> Iterator[dict[str, Any]]:
        """Yield requests until the host closes the port."""
        for line in self._requests:
            if line.strip():
                yield json.loads(line)
