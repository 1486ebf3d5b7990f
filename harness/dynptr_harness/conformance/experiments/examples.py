"""Examples: whole programs for people to begin with, and what their records must hold."""

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
    """The record of a write, by variable_size.bpf.c."""
    (data,) = call
    return struct.pack(f"{order}IIQ", pid, len(data[:LIMIT]), len(data)) + data[:LIMIT]


def of_writev(order: str, pid: int, call: Call) -> bytes:
    """The record of a writev, by in_pieces.bpf.c."""
    pieces = [buffer[:MAX_PIECE] for buffer in call[:MAX_PIECES]]
    header = struct.pack(f"{order}II", pid, len(pieces))
    return header + b"".join(struct.pack(f"{order}I", len(piece)) + piece for piece in pieces)


# File of bpf_src/examples: its program, and the record of a call.
_EXAMPLES: Mapping[str, tuple[str, Callable[[str, int, Call], bytes]]] = {
    "variable_size": ("on_write", of_write),
    "in_pieces": ("on_writev", of_writev),
}


@dataclass(frozen=True)
class Example:
    """An example that watches some calls, each of which writes a list of buffers.

    Attributes:
        name: of its file, without the suffix.
        calls: one buffer is written by write(2), several by writev(2).
    """

    name: str
    calls: tuple[Call, ...]

    def request(self) -> dict[str, Any]:
        function, _record = _EXAMPLES[self.name]
        calls = [[buffer.hex() for buffer in call] for call in self.calls]
        return {"kind": "example", "object": self.name, "functions": [function], "calls": calls}

    def findings(
        self,
        prog_type: ProgType,  # noqa: ARG002  (its section says it)
        facts: Mapping[str, Any],
        reply: Reply,
    ) -> Iterator[Finding]:
        """A record for each call, in order; what other processes wrote meanwhile is no concern of ours."""
        order = "<" if facts["byteorder"] == "little" else ">"
        pid = reply.get("pid", 0)
        seen = [record for record in reply.get("records", ()) if _pid(order, record) == pid]
        _function, record_of = _EXAMPLES[self.name]
        want = [record_of(order, pid, call).hex() for call in self.calls]
        yield Finding("records", want, seen)


def _pid(order: str, record: str) -> int:
    """Whose call a record is about: both examples begin with that."""
    (pid,) = struct.unpack_from(f"{order}I", bytes.fromhex(record).ljust(4, b"\0"))
    return int(pid)
