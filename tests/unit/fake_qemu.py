"""A program that replaces QEMU in tests. It speaks QMP and the agent's protocol.

The kernel argument fake=FAULT selects a fault of the boot, the save or the end. Requests {"do": FAULT} select
others.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Any

STATE = "the state of a machine\n"
PANIC = "[    1.234567] Kernel panic - not syncing: sysrq triggered crash"


def say(line: str) -> None:
    print(line, flush=True)


def fault() -> str:
    """Return the fault of the kernel argument, or ''."""
    words = sys.argv[sys.argv.index("-append") + 1].split()
    return next((word.partition("=")[2] for word in words if word.startswith("fake=")), "")


def port(name: str) -> socket.socket:
    """Return the inherited socket of a character device."""
    option = next(word for word in sys.argv if word.startswith(f"socket,id={name},"))
    return socket.socket(fileno=int(option.rpartition("=")[2]))


class Monitor:
    """The part of QMP that a machine uses."""

    def __init__(self, *, obeys: bool) -> None:
        self._socket = port("monitor")
        self._obeys = obeys
        self.going = threading.Event()
        self._finishing = 0
        self._send({"QMP": {"version": {"qemu": {"major": 10}}, "capabilities": []}})
        threading.Thread(target=self._serve, daemon=True).start()

    def _send(self, message: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\r\n")

    def shutdown(self, reason: str) -> None:
        """Send the SHUTDOWN event and exit."""
        stamp = {"seconds": 0, "microseconds": 0}
        self._send({"event": "SHUTDOWN", "data": {"guest": True, "reason": reason}, "timestamp": stamp})
        os._exit(0)

    def _serve(self) -> None:
        while text := self._socket.recv(1 << 16):  # requests come one at a time, without a newline
            request = json.loads(text)
            if request["execute"] == "quit" and not self._obeys:
                continue
            number = {"id": request["id"]} if "id" in request else {}
            if request["execute"] == "cont" and self._finishing:
                error = {"class": "GenericError", "desc": "Migration is not finalized yet"}
                self._send({"error": error, **number})
                continue
            self._send({"return": self._result(request["execute"]), **number})
            match request["execute"]:
                case "quit":
                    self.shutdown("host-qmp-quit")
                case "migrate":
                    self._save(request["arguments"]["channels"][0]["addr"]["filename"])
                case "migrate-incoming":
                    self._load(request["arguments"]["channels"][0]["addr"]["filename"])
                case "cont":
                    self.going.set()

    def _result(self, command: str) -> Any:
        match command:
            case "human-monitor-command":
                return "RIP=1234"
            case "query-cpus-fast":
                return [{"cpu-index": 0, "thread-id": os.getpid()}]
            case "query-migrate":
                return {"status": "failed", "error-desc": "Unable to write: No space left on device"}
            case "query-status":
                self._finishing = max(self._finishing - 1, 0)
                return {"status": "finish-migrate" if self._finishing else "postmigrate"}
        return {}

    def _migration(self, status: str) -> None:
        stamp = {"seconds": 0, "microseconds": 0}
        self._send({"event": "MIGRATION", "data": {"status": status}, "timestamp": stamp})

    def _save(self, path: str) -> None:
        self._migration("setup")
        if fault() == "full-disk":
            self._migration("failed")
            return
        if fault() == "dies-saving":
            os.kill(os.getpid(), signal.SIGKILL)
        with open(path, "w") as file:  # noqa: PTH123
            file.write(STATE)
        self._finishing = 3
        self._migration("completed")

    def _load(self, path: str) -> None:
        with open(path) as file:  # noqa: PTH123
            state = file.read()
        if state == "hang":
            time.sleep(600)
        if state == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if state == "no memory":
            say("qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory")
            os._exit(1)
        if state != STATE:
            say("qemu: load of migration failed: Invalid argument")
            os._exit(1)
        self._migration("completed")


def boot(way: str, monitor: Monitor, events: Any) -> None:
    """Boot, or fail in this way."""
    if way == "silent":
        time.sleep(600)
    if way == "panic":
        say(PANIC)
        monitor.shutdown("guest-reset")
    if way == "notes":
        say("dynptr-harness: boot failed: mount /dev/vda on /lower (erofs)")
        monitor.shutdown("guest-shutdown")
    if way == "babble":
        events.write("hello\n")
        events.flush()
        time.sleep(600)
    if way == "agent-fails":
        send(events, event="failed", error="Traceback\nImportError: no module named bcc")
        time.sleep(600)


def answer(request: dict[str, Any], monitor: Monitor, events: Any) -> None:  # noqa: C901  (a flat list)
    """Carry out a request."""
    number = request["id"]
    match request.get("do", request.get("kind")):
        case "warm" if fault() == "never-warm":
            send(events, event="error", id=number, error="Traceback\nOSError: no")
        case "warm" | "resume":
            send(events, event="reply", id=number, reply={}, seconds=0.5)
        case "warn":
            say("[    2.345678] WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2")
            say("[    2.345679] Call Trace:")
            send(events, event="reply", id=number, reply={}, seconds=0.5, kernel_logged=True)
        case "echo-too-late":
            say("[    2.345678] WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2")
            send(events, event="reply", id=number, reply=request, seconds=0.5, kernel_logged=False)
        case "after-its-warning":
            send(events, event="reply", id=number, reply={}, seconds=0.5, kernel_logged=True)
        case "warn-and-fail":
            say("[    2.345678] WARNING: CPU: 0 PID: 1 at kernel/test.c:1 test+0x1/0x2")
            send(events, event="error", id=number, error="Traceback\nOSError: no")
        case "talk":
            send(events, event="begin", id=number)
            send(events, event="reply", id=number, reply=request, seconds=0.5)
        case "echo":
            send(events, event="reply", id=number, reply=request, seconds=0.5, kernel_logged=False)
        case "error":
            send(events, event="error", id=number, error="Traceback\nOSError: no")
        case "panic":
            say(PANIC)
            monitor.shutdown("guest-reset")
        case "panic-and-stay":
            say(PANIC)
            time.sleep(600)
        case "reset":
            monitor.shutdown("guest-reset")
        case "agent-ends":
            say("dynptr-harness: the agent ended with status 139")
            monitor.shutdown("guest-shutdown")
        case "hang":
            time.sleep(600)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "status":
            say("qemu: internal error")
            os._exit(7)
        case "babble":
            events.write("{{{\n")
            events.flush()
        case "other-id":
            send(events, event="reply", id=number + 1, reply={}, seconds=0)
        case "flood":
            send(events, event="reply", id=number, reply={"log": "x" * request["bytes"]}, seconds=0)


def send(events: Any, **message: Any) -> None:
    events.write(json.dumps(message) + "\n")
    events.flush()


def firmware() -> None:
    """Run only the firmware. It spins under KVM if FAKE_FIRMWARE says so."""
    with open(os.environ["FAKE_PROBES"], "a") as counted:  # noqa: PTH123
        counted.write("firmware\n")
    if os.environ.get("FAKE_FIRMWARE") != "spins" or "kvm" not in sys.argv:
        say("No bootable device.")
    time.sleep(600)


def probe(kvm: str) -> None:
    """Boot a kernel under KVM."""
    with open(os.environ["FAKE_PROBES"], "a") as counted:  # noqa: PTH123
        counted.write("probe\n")
    match kvm:
        case "works":
            say("dynptr-harness: user space reached")
            sys.exit()
        case "fails":
            sys.exit("failed to initialize kvm")
        case "stops":
            say("KVM internal error. Suberror: 1")
    time.sleep(600)


def main() -> None:
    if "-append" not in sys.argv:
        firmware()
    words = sys.argv[sys.argv.index("-append") + 1].split()
    if os.environ.get("FAKE_KVM") != "is silent":
        say("fake QEMU")
    if fault() == "refuse":
        sys.exit("qemu: -drive file=root: Could not open 'root': No such file or directory")
    if "dynptr_harness.probe" in words:
        probe(os.environ["FAKE_KVM"])
    monitor = Monitor(obeys=fault() != "stubborn")
    events = port("events").makefile("w")
    if "-incoming" in sys.argv:
        monitor.going.wait()
    else:
        boot(fault(), monitor, events)
        send(events, event="ready", facts={"release": "6.12.1", "pid": os.getpid()})
    serve(monitor, events)
    time.sleep(600)


def serve(monitor: Monitor, events: Any) -> None:
    """Answer single requests and batches."""
    for line in port("commands").makefile():
        message = json.loads(line)
        for request in message.get("in_turn", [message]):
            answer(request, monitor, events)
            if "warn" in request.get("do", ""):
                break


if __name__ == "__main__":
    main()
