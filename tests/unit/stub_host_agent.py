"""An agent that answers the requests of test_machine.py. It inherits its file descriptors."""

from __future__ import annotations

import json
import os
import sys
import time

REQUESTS, EVENTS = map(int, os.environ["DYNPTR_HARNESS_PORTS"].split(","))


def send(**event: object) -> None:
    """Send an event."""
    os.write(EVENTS, json.dumps(event).encode() + b"\n")


print("output of the agent", flush=True)
if "fail" in sys.argv:
    send(event="failed", error="no BCC")
    sys.exit(1)
send(event="ready", facts={"release": os.uname().release})
for line in os.fdopen(REQUESTS):
    request = json.loads(line)
    match request["kind"]:
        case "echo":
            send(event="reply", id=request["id"], reply={"said": request["say"]}, seconds=0.5)
        case "error":
            send(event="error", id=request["id"], error="Traceback\nValueError: no")
        case "nonsense":
            os.write(EVENTS, b"nonsense\n")
        case "end":
            sys.exit(3)
        case "sleep":
            time.sleep(60)
