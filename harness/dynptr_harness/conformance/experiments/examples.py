"""Examples: complete programs for users to start from, and their expected records."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.experiments.base import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dynptr_harness.conformance.experiments.base import Reply
    from dynptr_harness.conformance.prog_types import ProgType

Call = tuple[bytes, ...]

# As in bpf_src/examples
LIMIT = 256
MAX_PIECES, MAX_PIECE = 8, 128


def of_write(order: str, pid: int, call: Call) -> bytes:
    """Return the record that variable_size.bpf.c writes for a write(2)."""
    (data,) = call
    return struct.pack(f"{order}IIQ", pid, len(data[:LIMIT]), len(data)) + data[:LIMIT]


def of_writev(order: str, pid: int, call: Call) -> bytes:
    """Return the record that in_pieces.bpf.c writes for a writev(2)."""
    pieces = [buffer[:MAX_PIECE] for buffer in call[:MAX_PIECES]]
    header = struct.pack(f"{order}II", pid, len(pieces))
    return header + b"".join(struct.pack(f"{order}I", len(piece)) + piece for piece in pieces)


# For each file of bpf_src/examples: its program, and a function that returns the record of a call.
_EXAMPLES: Mapping[str, tuple[str, Callable[[str, int, Call], bytes]]] = {
    "variable_size": ("on_write", of_write),
    "in_pieces": ("on_writev", of_writev),
}


@dataclass(frozen=True)
class Example:
    """An example program and the calls that it watches.

    Attributes:
        name: name of its file without the suffix.
        calls: the buffers of each call: one for write(2), several for writev(2).
    """

    name: str
    calls: tuple[Call, ...]

    def request(self) -> dict[str, Any]:
        function, _record = _EXAMPLES[self.name]
        calls = [[buffer.hex() for buffer in call] for call in self.calls]
        return {"kind": "example", "object": self.name, "functions": [function], "calls": calls}

    def findings(
        self,
        prog_type: ProgType,  # noqa: ARG002  (the section of the program sets it)
        facts: Mapping[str, Any],
        reply: Reply,
    ) -> Iterator[Finding]:
        """Expect a record for each call, in order. Records of other processes are ignored."""
        order = "<" if facts["byteorder"] == "little" else ">"
        pid = reply.get("pid", 0)
        seen = [record for record in reply.get("records", ()) if _pid(order, record) == pid]
        _function, record_of = _EXAMPLES[self.name]
        want = [record_of(order, pid, call).hex() for call in self.calls]
        yield Finding("records", want, seen)


def _pid(order: str, record: str) -> int:
    """Return the process ID at the start of a record."""
    (pid,) = struct.unpack_from(f"{order}I", bytes.fromhex(record).ljust(4, b"\0"))
    return int(pid)
