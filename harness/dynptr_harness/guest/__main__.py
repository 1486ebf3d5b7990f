"""The agent: compiles the programs, says that it is ready, then answers requests until the host leaves.

A message of the host is one request, or has several `in_turn`, which are answered one by one. The rest of
them is passed over after one that failed or during which the kernel said anything.
"""

from __future__ import annotations

import gc
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.agent.command import Command, run_to_end
from dynptr_harness.guest.agent.ports import Ports
from dynptr_harness.guest.system import cpus
from dynptr_harness.guest.system.background import Background
from dynptr_harness.guest.system.kernel_log import KernelLog

if TYPE_CHECKING:
    from dynptr_harness.guest.agent.dispatcher import Dispatcher

BPF_SRC = Path("/payload/bpf_src")
# Makes what the kernel says only once, such as WARN_ONCE, be said again.
CLEAR_WARN_ONCE = Path("/sys/kernel/debug/clear_warn_once")


def _answer(lab: Dispatcher, ports: Ports, request: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked of the machine itself, or the experiment.

    - `warm`: all is compiled and made that can be; the host asks it before it saves the machine.
    - `resume`: the machine goes on from a snapshot, and it is `now`, in seconds since 1970.
    - `forget_warnings`: warnings that the kernel gives only once it will give again.
    - `exec`, `run`: a command of a person's own; see command.py. Before `exec` it says that it begins: from
      then on it listens to what the host says.
    """
    match request["kind"]:
        case "warm":
            lab.prepare()
        case "resume":
            time.clock_settime(time.CLOCK_REALTIME, request["now"])
        case "forget_warnings":
            CLEAR_WARN_ONCE.write_text("1")
        case "exec":
            ports.send("begin", id=request["id"])
            with cpus.anywhere():
                return Command(ports, request).run()
        case "run":
            with cpus.anywhere():
                return run_to_end(request)
        case _:
            return lab.answer(request)
    return {}


def _serve(lab: Dispatcher, ports: Ports, request: dict[str, Any], log: KernelLog) -> bool:
    """Answer one request; whether there is nothing that the host has to know before the next.

    What the kernel says is on the console only, where nobody could tell to which of two requests it belongs.
    """
    began = time.monotonic()
    try:
        reply = _answer(lab, ports, request)
    except Exception:
        ports.send("error", id=request["id"], error=traceback.format_exc())
        return False
    seconds, kernel_logged = time.monotonic() - began, log.kernel_logged()
    ports.send("reply", id=request["id"], reply=reply, seconds=seconds, kernel_logged=kernel_logged)
    return not kernel_logged


def main() -> None:
    """Run the agent."""
    ports = Ports()
    try:
        started = time.monotonic()
        from dynptr_harness.guest.bpf import bcc_module

        compiling = Background(lambda: bcc_module.compile_module(BPF_SRC, bcc_module.sources(BPF_SRC)))
        # all these take seconds to import in an emulated guest, and so does clang meanwhile
        from dynptr_harness.guest.agent import facts
        from dynptr_harness.guest.agent.dispatcher import Dispatcher
        from dynptr_harness.guest.system import network

        network.loopback_up()
        imported = time.monotonic()
        lab = Dispatcher(
            compiling.wait(), lambda: bcc_module.compile_module(BPF_SRC, bcc_module.case_sources(BPF_SRC))
        )
        seconds = {
            "boot": float(Path("/proc/uptime").read_text().split()[0]) - (time.monotonic() - started),
            "import": imported - started,
            "compile": time.monotonic() - imported,
        }
        ports.send("ready", facts={**facts.measure(), "seconds": seconds})
    except Exception:
        ports.send("failed", error=traceback.format_exc())
        raise
    cpus.pin_vcpus(cpus.OURS)
    # What there is by now stays, and requests leave no circles behind: to look for some takes a twentieth of
    # the time in an emulated guest.
    gc.collect()
    gc.freeze()
    gc.disable()
    log = KernelLog()
    for message in ports.requests():
        log.kernel_logged()  # before it was asked
        for request in message.get("in_turn", [message]):
            if not _serve(lab, ports, request, log):
                break


if __name__ == "__main__":
    main()
