"""The real agent with faults. The field `fault` of a request selects one.

- `panic`: panic the kernel.
- `spin`: run a BPF program that spins forever in a timer interrupt, so its CPU takes no other interrupt.
- `wait`: never reply again.
- `exit`: end with status 7.
- `memory`: take all memory.
- `warn`: write a warning to the kernel log, then answer the request.
- `console`: write much to the console, then answer the request.
- `garble`, `foreign`, `lie`, `flood`: send another reply, see `Ports`.
"""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path
from typing import Any

from dynptr_harness.guest.agent.dispatcher import OBJECTS, Dispatcher
from dynptr_harness.guest.agent.ports import AgentPorts
from dynptr_harness.guest.bpf import objects

SEND = AgentPorts.send
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
        case "exit":
            os._exit(7)
        case "memory":
            taken = []
            while True:
                taken.append(b"\xff" * (1 << 24))
    while True:
        time.sleep(1)


def send(ports: AgentPorts, event: str, **fields: Any) -> None:
    """Send an event, or what the fault in its reply asks for."""
    reply = fields.get("reply") or {}
    match reply.pop("fault", ""):
        case "garble":
            ports._events.write("\0{[garbage\n")
        case "flood":
            for _ in range(80):
                ports._events.write("x" * (1 << 20))
        case "foreign":
            SEND(ports, event, **{**fields, "id": 4711})
        case "lie":
            SEND(ports, event, **{**fields, "reply": {**reply, "acts": reply["acts"][:-1]}})
        case _:
            SEND(ports, event, **fields)
    ports._events.flush()


def main() -> None:
    """Run the agent with the faults."""
    answer = Dispatcher.answer

    def answer_or_fail(dispatcher: Dispatcher, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("fault") == "warn":
            Path("/dev/kmsg").write_text("<4>WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2\n")
        elif request.get("fault") == "console":
            Path("/dev/console").write_text("flood\n" * (1 << 16))
        elif request.get("fault") in ("garble", "foreign", "lie", "flood"):
            return {**answer(dispatcher, request), "fault": request["fault"]}
        elif "fault" in request:
            fail(dispatcher, request["fault"])
        return answer(dispatcher, request)

    Dispatcher.answer = answer_or_fail  # type: ignore[assignment]
    AgentPorts.send = send  # type: ignore[assignment, method-assign]
    runpy.run_path(REAL_AGENT, run_name="__main__")


if __name__ == "__main__":
    main()
