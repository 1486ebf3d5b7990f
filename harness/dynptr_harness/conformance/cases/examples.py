"""EXA: the programs in bpf_src/examples work as described."""

from __future__ import annotations

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.examples import LIMIT, MAX_PIECE, MAX_PIECES, Example

_TYPES = ("TRACEPOINT",)
_LOADERS = ("libbpf",)
_RESERVE = (
    "kernel/bpf/ringbuf.c, bpf_ringbuf_reserve_dynptr: the size need not be a constant (v5.19, commit "
    "bc34dee65a65)"
)
_WRITE = (
    "kernel/bpf/helpers.c, bpf_dynptr_write: any number of writes at any offset (v5.19, commit 13bbbfbea759)"
)

CASES = (
    Case(
        "EXA-001",
        "records whose size is known only at run time hold the bytes that were written",
        Example("variable_size", ((b"",), (b"a",), (b"twelve bytes",), (bytes(range(200)),))),
        _RESERVE,
        loaders=_LOADERS,
        types=_TYPES,
    ),
    Case(
        "EXA-002",
        "if the data exceeds the example's limit, the record holds its first bytes and its full length",
        Example("variable_size", ((bytes(range(LIMIT - 1)),), (b"x" * LIMIT,), (b"y" * (LIMIT + 1),))),
        _RESERVE,
        loaders=_LOADERS,
        types=_TYPES,
    ),
    Case(
        "EXA-003",
        "a header and a payload written in pieces form one record, with the pieces in order",
        Example(
            "in_pieces",
            (
                (b"GET ", b"/index.html", b" HTTP/1.1\r\n"),
                (b"", b"behind an empty one"),
                tuple(bytes([number]) * (MAX_PIECE + number) for number in range(MAX_PIECES + 1)),
            ),
        ),
        _WRITE,
        loaders=_LOADERS,
        types=_TYPES,
    ),
)
