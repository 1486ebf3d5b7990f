"""The agent of the harness, and a fault: what a request has in `fault` is done instead of it.

- `panic`: the kernel panics.
- `spin`: a BPF program spins for ever in a timer's interrupt, so that its processor takes no other.
- `wait`: nothing is answered any more.
- `warn`: the kernel's log gets a warning, and the request is answered.
"""

from __future__ import annotations

import runpy
import time
from pathlib import Path
from typing import Any

from dynptr_harness.guest.agent.dispatcher import OBJECTS, Dispatcher
from dynptr_harness.guest.bpf import objects

REAL_AGENT = "/payload/real_agent.py"


def fail(lab: Dispatcher, fault: str) -> None:
    """Never returns."""
    match fault:
        case "panic":
            Path("/proc/sysrq-trigger").write_text("c")
        case "spin":
            perf_event = lab._types["PERF_EVENT"]
            spin = objects.load(OBJECTS / "spin.bpf.o", "spin", perf_event.prog_type, maps={})
            with perf_event.attached(spin):
                while True:
                    perf_event.fire()
    while True:
        time.sleep(1)


def main() -> None:
    """Run the agent with other answers."""
    answer = Dispatcher.answer

    def answer_or_fail(lab: Dispatcher, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("fault") == "warn":
            Path("/dev/kmsg").write_text("<4>WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2\n")
        elif "fault" in request:
            fail(lab, request["fault"])
        return answer(lab, request)

    Dispatcher.answer = answer_or_fail  # type: ignore[assignment]
    runpy.run_path(REAL_AGENT, run_name="__main__")


if __name__ == "__main__":
    main()
