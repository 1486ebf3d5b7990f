"""Runs the examples of bpf_src/examples. Their ELF sections say how to load and attach them."""

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
    """Load and attach an example, and make the write calls that it traces.

    Args:
        request: `calls` has a list of buffers (hex) for each call. A call with several buffers is a
            writev(2).

    Returns:
        the `records` of all processes, and the `pid` of this one.
    """
    (function,) = request["functions"]
    with ExitStack() as stack:
        try:
            user_object = objects.UserObject(OBJECTS / f"{request['object']}.bpf.o", function)
            program = stack.enter_context(user_object.by_section())
        except LoadRefused as error:
            return {"refused": {"errno": error.errno, "log": error.log_or_messages}}
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
