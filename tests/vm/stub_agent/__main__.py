"""Answers requests {"do": NAME, ...}. Some of them break the guest.

Of the host's own requests, {"kind": NAME, ...}, only `resume` has an effect.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any


def port(name: str) -> Path:
    """Return the device of a virtio port."""
    found = (each for each in Path("/sys/class/virtio-ports").iterdir())
    return Path("/dev") / next(each.name for each in found if (each / "name").read_text().strip() == name)


def facts() -> dict[str, Any]:
    """Return the facts that the tests check."""
    return {
        "release": os.uname().release,
        "uptime": time.monotonic(),
        "environment": dict(os.environ),
        "mounts": {
            line.split()[1]: line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()
        },
        "modules": Path("/usr/lib/modules", os.uname().release, "modules.dep").exists(),
        "lsm": Path("/sys/kernel/security/lsm").read_text().split(","),
        "interfaces": [path.name for path in Path("/sys/class/net").iterdir()],
        "cpus": os.cpu_count(),
    }


def starve() -> None:
    """Take all CPU time. Never return."""
    Path("/proc/sys/kernel/sched_rt_runtime_us").write_text("-1")
    for cpu in sorted(os.sched_getaffinity(0), reverse=True):  # CPU 0, for this process, comes last
        if cpu == 0 or os.fork() == 0:
            os.sched_setaffinity(0, {cpu})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
            while True:
                pass


def perform(request: dict[str, Any]) -> dict[str, Any]:  # noqa: C901  (a flat list)
    """Carry out a request."""
    match request.get("do", request.get("kind")):
        case "resume":
            time.clock_settime(time.CLOCK_REALTIME, request["now"])
        case "echo":
            return request
        case "log":
            return {"log": "x" * request["bytes"]}
        case "look":
            return {"now": time.time(), "uptime": time.monotonic(), "random": os.urandom(16).hex()}
        case "fail":
            raise ValueError("asked to fail")
        case "warn":
            Path("/dev/kmsg").write_text("<4>WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2\n")
        case "panic":
            Path("/proc/sysrq-trigger").write_text("c")
        case "reset":
            Path("/proc/sysrq-trigger").write_text("b")
        case "hang":
            time.sleep(3600)
        case "starve":
            starve()
        case "die":
            os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def main() -> None:
    """Answer requests until the host closes the port."""
    with port("commands").open() as commands, port("events").open("w", buffering=1) as events:
        print(json.dumps({"event": "ready", "facts": facts()}), file=events)
        for line in commands:
            request = json.loads(line)
            number = request["id"]
            try:
                message = {"event": "reply", "id": number, "reply": perform(request), "seconds": 0.0}
            except ValueError as error:
                message = {"event": "error", "id": number, "error": f"ValueError: {error}"}
            print(json.dumps(message), file=events)


if __name__ == "__main__":
    main()
