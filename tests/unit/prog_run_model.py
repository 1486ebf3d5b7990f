"""Replies of a correct kernel to the programs of overlap, user_memory and left in bpf_src/elf.

The source is the documentation of the helpers and kfuncs, not the expectations of the rows.
"""

from __future__ import annotations

from typing import Any

E2BIG, EFAULT = 7, 14
DOTS = b"." * 16
OFFSET, LENGTH, BEYOND = 4, 8, 9

# Records and return value of each program of left.bpf.c. The target of tail calls returns 7.
LEFT: dict[str, tuple[list[bytes], int]] = {
    "throw_in_main": ([b"\x01"], 0),
    "throw_in_static": ([b"\x01"], 0),
    "throw_after_discard": ([], 0),
    "throw_in_global": ([b"\x01", b"\x02"], 0),
    "throw_to_handler": ([b"\x01", b"\x05"], 0),
    "call_in_static": ([b"\x07"], 0),
    "call_in_global": ([b"\x07"], 0),
    "call_in_main": ([b"\x03"], 7),
}


def prog_run(request: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to a request of kind 'prog_run'."""
    run = {"overlap": _overlap, "user_memory": _user_memory, "left": _left}[request["object"]]
    return {"loader": "libbpf", "runs": [run(request["functions"][0], each) for each in request["memory"]]}


def _answer(results: list[int], records: list[bytes], answer: int = 0) -> dict[str, Any]:
    results += [0] * (7 - len(results))
    return {
        "error": 0,
        "answer": answer,
        "results": results,
        "records": [record.hex() for record in records],
    }


def _overlap(function: str, _memory: str | None) -> dict[str, Any]:
    record = list(range(64))
    source, target = (0, 8) if function.endswith("forward") else (8, 0)
    record[target : target + 48] = list(range(64))[source : source + 48]
    return _answer([0, 0], [bytes(record)])


def _user_memory(function: str, memory: str | None) -> dict[str, Any]:
    if function.endswith("beyond"):
        return _answer([0, -E2BIG], [DOTS])
    if memory is None:
        return _answer([0, -EFAULT], [])
    copied, result = bytes.fromhex(memory)[:LENGTH], 0
    if function.endswith("_str"):
        string = copied.partition(b"\0")[0][: LENGTH - 1] + b"\0"
        copied, result = string, len(string)
    record = DOTS[:OFFSET] + copied + DOTS[OFFSET + len(copied) :]
    first = list(record[OFFSET : OFFSET + 4])
    return _answer([0, result, *first], [] if 0 < result < LENGTH else [record])


def _left(function: str, _memory: str | None) -> dict[str, Any]:
    records, answer = LEFT[function]
    return _answer([0, int(function.startswith("call"))], records, answer)
