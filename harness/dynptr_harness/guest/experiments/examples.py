"""The examples of bpf_src/examples: loaded and attached as their sections say, and fired by calls of ours."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from dynptr_harness.guest.bpf import libbpf, objects
from dynptr_harness.guest.bpf.libbpf import LoadRefused
from dynptr_harness.guest.ringbuf.consumer import Consumer

OBJECTS = Path("/payload/objects")
RING = "events"

Reply = dict[str, Any]


def run(request: dict[str, Any]) -> Reply:
    """Have an example watch some calls, each of them a list of buffers that are written in one go.

    The reply has the records of all processes, ours among them by the `pid`.
    """
    (function,) = request["functions"]
    with ExitStack() as stack:
        try:
            own = objects.UserObject(OBJECTS / f"{request['object']}.bpf.o", function)
            program = stack.enter_context(own.by_section())
        except LoadRefused as error:
            return {"refused": {"errno": error.errno, "log": error.words}}
        rings = libbpf.rings_of(program)
        for ring in rings.values():
            stack.callback(os.close, ring)
        consumer = stack.enter_context(closing(Consumer(rings[RING])))
        try:
            stack.enter_context(program.attached())
        except OSError as error:
            return {"attach_failed": {"errno": error.errno, "what": str(error)}}
        _write(request["calls"])
        return {"pid": os.getpid(), "records": [record.hex() for record in consumer.take()]}


def _write(calls: list[list[str]]) -> None:
    with Path(os.devnull).open("wb", buffering=0) as file:
        for call in calls:
            buffers = [bytes.fromhex(buffer) for buffer in call]
            if len(buffers) == 1:
                os.write(file.fileno(), *buffers)
            else:
                os.writev(file.fileno(), buffers)
