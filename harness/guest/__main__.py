"""The agent: compiles the programs, says that it is ready, then answers requests until the host leaves."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from threading import Thread
from typing import Any

from harness.guest.ports import Ports

BPF_SRC = Path("/payload/bpf_src")


class _Background(Thread):
    """A function in a thread of its own; `result` waits for it and raises what it raised."""

    def __init__(self, function: Any) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # handed on to whoever waits
            self._error = error

    def wait(self) -> None:
        self.join()
        if self._error:
            raise self._error


def _network() -> None:
    # imported here: pyroute2 takes seconds to import in an emulated guest, while clang takes them too
    from harness.guest import network

    network.loopback_up()


def main() -> None:
    """Run the agent."""
    ports = Ports()
    try:
        started = time.monotonic()
        network = _Background(_network)
        from harness.guest import facts, module
        from harness.guest.experiments import Lab

        imported = time.monotonic()
        lab = Lab(module.compile_module(BPF_SRC))
        compiled = time.monotonic()
        network.wait()
        seconds = {
            "boot": float(Path("/proc/uptime").read_text().split()[0]) - (time.monotonic() - started),
            "import": imported - started,
            "compile": compiled - imported,
            "network": time.monotonic() - compiled,
        }
        ports.send("ready", facts={**facts.measure(), "seconds": seconds})
    except Exception:
        ports.send("failed", error=traceback.format_exc())
        raise
    for request in ports.requests():
        ports.send("begin", id=request["id"])
        began = time.monotonic()
        try:
            reply = lab.answer(request)
        except Exception:
            ports.send("error", id=request["id"], error=traceback.format_exc())
        else:
            ports.send("reply", id=request["id"], reply=reply, seconds=time.monotonic() - began)


if __name__ == "__main__":
    main()
