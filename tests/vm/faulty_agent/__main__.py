"""The real agent with faults. The field `fault` of a request selects one.

- `panic`: panic the kernel.
- `spin`: run a BPF program that spins forever in a timer interrupt, so its CPU takes no other interrupt.
- `wait`: never reply again.
- `warn`: write a warning to the kernel log, then answer the request.
"""

from __future__ import annotations

import runpy
import time
from pathlib import Path
from typing import Any

from dynptr_harness.guest.agent.dispatcher import OBJECTS, Dispatcher
from dynptr_harness.guest.bpf import objects

REAL_AGENT = "/payload/real_agent.py"


def fail(dispatcher: Dispatcher, fault: str) -> None:
    """Cause the fault. Never return."""
    match fault:
        case "panic":
            Path("/proc/sysrq-trigger").write_text("c")
        case "spin":
            perf_event = dispatcher._types["PERF_EVENT"]
            spin = objects.load(OBJECTS / "spin.bpf.o", "spin", perf_event.prog_type, maps={})
            with perf_event.attached(spin):
                while True:
                    perf_event.fire()
    while True:
        time.sleep(1)


def main() -> None:
    """Run the agent with the faults."""
    answer = Dispatcher.answer

    def answer_or_fail(dispatcher: Dispatcher, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("fault") == "warn":
            Path("/dev/kmsg").write_text("<4>WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2\n")
        elif "fault" in request:
            fail(dispatcher, request["fault"])
        return answer(dispatcher, request)

    Dispatcher.answer = answer_or_fail  # type: ignore[assignment]
    runpy.run_path(REAL_AGENT, run_name="__main__")


if __name__ == "__main__":
    main()
