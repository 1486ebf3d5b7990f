"""Loads programs that are given as instructions, and runs those that the host has found safe.

The instructions refer to maps and kfuncs by number, see harness/dynptr_harness/conformance/fuzz/assembler.py.
Map 0 is a ring, map 1 an empty array of programs.
"""

from __future__ import annotations

import ctypes as ct
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.bpf.libbpf import LoadRefused
from dynptr_harness.guest.ringbuf.raw_reader import RawReader
from dynptr_harness.protocol.uapi import BPF_F_TEST_STATE_FREQ, BpfProgType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram

INSTRUCTION = struct.Struct("<BBhi")
LD_IMM64, CALL = 0x18, 0x85
PSEUDO_MAP_FD, PSEUDO_KFUNC_CALL = 1, 2  # source registers
MAX_PROGRAMS, MAX_BYTES, MAX_RUNS = 256, 8 * 4096, 16
MAX_LOG = 6000  # characters at the end of a log


def experiment(request: dict[str, Any]) -> dict[str, Any]:
    """Load each of the `programs`, with `code` in hex, and return its `answers`.

    A program with `arguments`, a list of contexts in hex, runs once with each of them. A ring of `ring_size`
    bytes is shared by all runs, and empty before each.
    """
    programs = request["programs"]
    if len(programs) > MAX_PROGRAMS:
        raise ValueError(f"{len(programs)} programs in a request")
    kfuncs = [_btf_id(name) for name in request["kfuncs"]]
    size = request["ring_size"]
    with (
        libbpf.ring(size) as ring,
        libbpf.empty_prog_array() as array,
        closing(RawReader(ring, size)) as reader,
    ):
        return {"answers": [_answer(each, (ring, array), kfuncs, reader) for each in programs]}


def _btf_id(name: str) -> int:
    try:
        return libbpf.btf_id(name, 0)
    except LoadRefused:
        return 0  # the kernel lacks it; no program that the host sends then calls it


def _answer(
    request: dict[str, Any], maps: Sequence[int], kfuncs: Sequence[int], reader: RawReader
) -> dict[str, Any]:
    code = bytes.fromhex(request["code"])
    runs = request.get("arguments", [])
    if len(code) > MAX_BYTES or len(runs) > MAX_RUNS:
        raise ValueError(f"a program of {len(code)} bytes with {len(runs)} runs")
    flags = BPF_F_TEST_STATE_FREQ if request["frequent"] else 0
    linked = b"".join(_linked(code, maps, kfuncs))
    try:
        program = libbpf.load_code("random", linked, BpfProgType.RAW_TRACEPOINT, prog_flags=flags)
    except LoadRefused as refused:
        return {"accepted": False, "errno": refused.errno, "log": refused.log[-MAX_LOG:]}
    with closing(program):
        return {"accepted": True, "runs": [_run(program, bytes.fromhex(each), reader) for each in runs]}


def _linked(code: bytes, maps: Sequence[int], kfuncs: Sequence[int]) -> Iterator[bytes]:
    """Yield the instructions with descriptors and BTF IDs in place of numbers."""
    for opcode, registers, offset, value in INSTRUCTION.iter_unpack(code):
        if (opcode, registers >> 4) == (LD_IMM64, PSEUDO_MAP_FD):
            linked = maps[value]
        elif (opcode, registers >> 4) == (CALL, PSEUDO_KFUNC_CALL):
            linked = kfuncs[value]
        else:
            linked = value
        yield INSTRUCTION.pack(opcode, registers, offset, linked)


def _run(program: LoadedProgram, context: bytes, reader: RawReader) -> dict[str, Any]:
    """Run a program once and consume what it left in the ring."""
    start = reader.producer
    arguments = ct.create_string_buffer(context, len(context)) if context else None
    result, value = libbpf.prog_run(program.fd, context=arguments)
    records = [record.reply() for record in reader.peek()]
    reader.seek(reader.producer)
    return {"start": start, "result": result, "value": value, "records": records}
