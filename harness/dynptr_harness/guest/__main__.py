"""The agent: compiles the programs, sends its facts, then answers requests until the host closes the port.

With the kernel argument `bare.ARGUMENT` it compiles nothing and runs users' commands only.

A message is one request, or a list of requests in `in_turn`. The agent skips the rest of the list after a
request that failed or during which the kernel logged anything.
"""

from __future__ import annotations

import gc
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.agent import bare
from dynptr_harness.guest.agent.bare import BareDispatcher
from dynptr_harness.guest.agent.command import Command, run_to_end
from dynptr_harness.guest.agent.ports import AgentPorts
from dynptr_harness.guest.system import cpus, share
from dynptr_harness.guest.system.background import Background
from dynptr_harness.guest.system.log_watch import LogWatch

if TYPE_CHECKING:
    from dynptr_harness.guest.agent.dispatcher import Dispatcher

BPF_SRC = Path("/payload/bpf_src")
CMDLINE = Path("/proc/cmdline")
# A write to this file lets WARN_ONCE and printk_once print again.
CLEAR_WARN_ONCE = Path("/sys/kernel/debug/clear_warn_once")


def _answer(
    dispatcher: BareDispatcher | Dispatcher, ports: AgentPorts, request: dict[str, Any]
) -> dict[str, Any]:
    """Carry out a request for the machine itself, or pass it to the dispatcher.

    - `warm`: compile and create everything now. The host sends it before it saves a snapshot.
    - `resume`: set the clock to `now`, in seconds since 1970. The host sends it after a restore.
    - `share`: mount the shared directory.
    - `forget_warnings`: let the kernel repeat warnings that it gives only once.
    - `exec`, `run`: run a user's command, see command.py. For `exec` the agent first sends the event `begin`.
      From then on the command receives what the host sends.
    """
    match request["kind"]:
        case "warm":
            dispatcher.prepare()
        case "resume":
            time.clock_settime(time.CLOCK_REALTIME, request["now"])
        case "share":
            share.mount()
        case "forget_warnings":
            CLEAR_WARN_ONCE.write_text("1")
        case "exec":
            ports.send("begin", id=request["id"])
            with cpus.on_all_cpus():
                return Command(ports, request).run()
        case "run":
            with cpus.on_all_cpus():
                return run_to_end(request)
        case _:
            return dispatcher.answer(request)
    return {}


def _serve(
    dispatcher: BareDispatcher | Dispatcher, ports: AgentPorts, request: dict[str, Any], log: LogWatch
) -> bool:
    """Answer one request. Return False if it failed or the kernel logged anything.

    The host reads kernel messages from the console, which does not show which request caused them.
    """
    started = time.monotonic()
    try:
        reply = _answer(dispatcher, ports, request)
    except Exception:
        ports.send("error", id=request["id"], error=traceback.format_exc())
        return False
    seconds, kernel_logged = time.monotonic() - started, log.kernel_logged()
    ports.send("reply", id=request["id"], reply=reply, seconds=seconds, kernel_logged=kernel_logged)
    return not kernel_logged


def main() -> None:
    """Run the agent."""
    ports = AgentPorts()
    try:
        dispatcher: BareDispatcher | Dispatcher
        if bare.ARGUMENT in CMDLINE.read_text().split():
            dispatcher = BareDispatcher()
            facts = dispatcher.facts()
        else:
            dispatcher, facts = _compiled()
        ports.send("ready", facts=facts)
    except Exception:
        ports.send("failed", error=traceback.format_exc())
        raise
    cpus.pin_thread(cpus.AGENT_CPUS)
    # Requests leave no reference cycles, and garbage collection took 5 % of the time of an emulated guest.
    gc.collect()
    gc.freeze()
    gc.disable()
    log = LogWatch()
    for message in ports.requests():
        log.kernel_logged()  # forget messages from before the request
        for request in message.get("in_turn", [message]):
            if not _serve(dispatcher, ports, request, log):
                break


def _compiled() -> tuple[Dispatcher, dict[str, Any]]:
    """Compile the programs, and return the dispatcher and all facts."""
    started = time.monotonic()
    from dynptr_harness.guest.bpf import bcc_module

    compiling = Background(lambda: bcc_module.compile_module(BPF_SRC, bcc_module.sources(BPF_SRC)))
    # imported while clang compiles: both take seconds in an emulated guest
    from dynptr_harness.guest.agent import facts
    from dynptr_harness.guest.agent.dispatcher import Dispatcher
    from dynptr_harness.guest.system import network

    network.loopback_up()
    imported = time.monotonic()
    dispatcher = Dispatcher(
        compiling.wait(), lambda: bcc_module.compile_module(BPF_SRC, bcc_module.case_sources(BPF_SRC))
    )
    seconds = {
        "boot": float(Path("/proc/uptime").read_text().split()[0]) - (time.monotonic() - started),
        "import": imported - started,
        "compile": time.monotonic() - imported,
    }
    return dispatcher, {**facts.measure(), "seconds": seconds}


if __name__ == "__main__":
    main()
