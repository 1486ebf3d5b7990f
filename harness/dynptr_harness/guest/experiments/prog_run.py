"""Programs that user space runs by BPF_PROG_RUN, with their results and records."""

from __future__ import annotations

import ctypes as ct
import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from dynptr_harness.guest.bpf import libbpf, objects
from dynptr_harness.guest.bpf.libbpf import LoadRefused
from dynptr_harness.guest.ringbuf.consumer import Consumer

OBJECTS = Path("/payload/objects")
RING = "events"
PROGRAMS = "programs"  # the map for the target of tail calls
UNMAPPED = 8  # an address of the first page, which no process has
MAX_RESULTS = 7
PACKET_BYTES = 64

Reply = dict[str, Any]


class Run(ct.Structure):
    """struct run of bpf_src/include/run.h."""

    _fields_ = (("address", ct.c_uint64), ("results", ct.c_int64 * MAX_RESULTS))


def run(request: dict[str, Any]) -> Reply:
    """Run the first function of the request once for each of `memory`.

    The second function, if any, is the target of its tail calls. A `memory` is the hex of the bytes that the
    program finds at its address, or None for an address that is not mapped. With `packet` in the request, the
    program gets a packet instead, and has no results.
    """
    path = OBJECTS / f"{request['object']}.bpf.o"
    with ExitStack() as stack:
        try:
            program, *targets = [
                stack.enter_context(objects.by_section(path, name)) for name in request["functions"]
            ]
        except LoadRefused as error:
            return {"refused": {"errno": error.errno, "log": error.log}}
        maps = libbpf.maps_by_name(program)
        for fd in maps.values():
            stack.callback(os.close, fd)
        for target in targets:
            libbpf.map_write_fd(maps[PROGRAMS], 0, target.fd)
        consumer = stack.enter_context(closing(Consumer(maps[RING])))
        run_once = _run_on_packet if request["packet"] else _run
        return {"runs": [run_once(program.fd, consumer, memory) for memory in request["memory"]]}


def _run_on_packet(fd: int, consumer: Consumer, _memory: str | None) -> Reply:
    error, answer = libbpf.prog_run(fd, bytes(PACKET_BYTES))
    return {"error": error, "answer": answer, "results": [], "records": _records(consumer)}


def _run(fd: int, consumer: Consumer, memory: str | None) -> Reply:
    content = bytes.fromhex(memory or "")
    buffer = ct.create_string_buffer(content, max(len(content), 1))
    context = Run(ct.addressof(buffer) if memory is not None else UNMAPPED)
    error, answer = libbpf.prog_run(fd, context=context)
    return {
        "error": error,
        "answer": answer,
        "results": list(context.results),
        "records": _records(consumer),
    }


def _records(consumer: Consumer) -> list[str]:
    return [record.hex() for record in consumer.take()]
