"""Runs programs with BPF_PROG_RUN, and returns their results and records."""

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
PROGRAMS = "programs"  # map with the target of tail calls
UNMAPPED = 8  # in the first page, which is never mapped
MAX_RESULTS = 7
PACKET_BYTES = 64

Reply = dict[str, Any]


class Run(ct.Structure):
    """struct run of bpf_src/include/run.h."""

    _fields_ = (("address", ct.c_uint64), ("results", ct.c_int64 * MAX_RESULTS))


def run(request: dict[str, Any]) -> Reply:
    """Run a program once for each entry of `memory`.

    Args:
        request: `functions` has the program and, if it makes tail calls, their target. Each entry of `memory`
            is the content of user memory (hex) whose address the program gets, or None for an unmapped
            address. With `packet` the context is a packet, and there are no results.

    Returns:
        the `runs`, each with the `error` of BPF_PROG_RUN, the return value `answer`, the `results` of struct
        run and the `records` (hex).
    """
    path = OBJECTS / f"{request['object']}.bpf.o"
    with ExitStack() as stack:
        try:
            program, *targets = [
                stack.enter_context(objects.UserObject(path, name).by_section())
                for name in request["functions"]
            ]
        except LoadRefused as error:
            return {"refused": {"errno": error.errno, "log": error.log_or_messages}}
        maps = libbpf.maps_used_by(program)
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
