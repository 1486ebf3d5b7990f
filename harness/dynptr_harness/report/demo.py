"""The output of `demo`: the calls or events, each record with its meaning, and the verdict."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dynptr_harness.core.text import counted, excerpt, tail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console, ConsoleOptions, RenderableType

    from dynptr_harness.conformance.experiments.base import Reply
    from dynptr_harness.conformance.experiments.examples import Example
    from dynptr_harness.conformance.judge import Judgement
    from dynptr_harness.conformance.prog_types import ProgType

LOG_LINES = 15
SHOWN = 60  # characters of a payload

_PHASES = {
    "before": "before the example is attached",
    "attached": "while the example is attached",
    "after": "after the example is detached",
}


@dataclass(frozen=True)
class Firings:
    """The records of a type's event before, while and after its example is attached."""

    prog_type: ProgType
    facts: Mapping[str, Any]
    reply: Reply

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the parts for rich to print."""
        yield Text(f"event: {self.prog_type.event}\n")
        for phase, words in _PHASES.items():
            if seen := self.reply.get(phase):
                ran = f"the program ran {counted(seen['fired'], 'time')}"
                yield Text.assemble(
                    (f"{words}: ", "bold"), f"{ran}, {_records(seen['polled'])} reported by poll"
                )
                for record in seen["records"]:
                    yield from self._record(record)

    def _record(self, record: str) -> Iterator[RenderableType]:
        """Yield the fields of a struct record of bpf_src/include/dynptr_harness.h."""
        yield Text(f"  {record}", "cyan")
        number, fired, *words = struct.unpack(f"{_order(self.facts)}IIQQ", bytes.fromhex(record))
        yield Text(f"  prog_type  {number}: BPF_PROG_TYPE_{self.prog_type.name.partition('/')[0]}")
        yield Text(f"  fired      {fired}: number of the run that wrote the record")
        yield Text(f"  words      {', '.join(f'{word:#018x}' for word in words)}: as requested by the agent")


@dataclass(frozen=True)
class ExampleRecords:
    """The calls that an example watched, and their records."""

    example: Example
    facts: Mapping[str, Any]
    reply: Reply

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the parts for rich to print."""
        order, records = _order(self.facts), self.reply.get("records", ())
        own = [
            data
            for data in map(bytes.fromhex, records)
            if struct.unpack_from(f"{order}I", data)[0] == self._pid
        ]
        for call, record in zip(self.example.calls, own, strict=False):
            name = "write" if len(call) == 1 else "writev"
            buffers = ", ".join(_shown(buffer) for buffer in call)
            yield Text.assemble((f"{name}: ", "bold"), buffers)
            yield Text(f"  record of {counted(len(record), 'byte')}", "cyan")
            for field in self._fields(order, record):
                yield Text(f"  {field}")

    @property
    def _pid(self) -> int:
        return int(self.reply["pid"])

    def _fields(self, order: str, record: bytes) -> Iterator[str]:
        if self.example.name == "variable_size":
            pid, kept, written = struct.unpack_from(f"{order}IIQ", record)
            yield f"header     pid {pid}, {kept} of {counted(written, 'byte')} kept"
            yield f"payload    {_shown(record[16:])}"
            return
        pid, pieces = struct.unpack_from(f"{order}II", record)
        yield f"header     pid {pid}, {counted(pieces, 'piece')}"
        offset = 8
        for _ in range(pieces):
            (length,) = struct.unpack_from(f"{order}I", record, offset)
            begin, offset = offset + 4, offset + 4 + length
            yield f"piece      {counted(length, 'byte')} at {begin}: {_shown(record[begin:offset])}"


@dataclass(frozen=True)
class DemoVerdict:
    """The verdict of a demonstration."""

    judgement: Judgement
    release: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the parts for rich to print."""
        word = self.judgement.verdict.value
        yield Text.assemble(
            "\n", (f"{word}: ", "bold green" if self.judgement.ok else "bold red"), f"Linux {self.release}"
        )
        if not self.judgement.ok:
            yield Text(f"  expected:  {self.judgement.expected}\n  seen:      {self.judgement.seen}")
        elif self.judgement.reason:
            yield Text(f"  {self.judgement.reason}")
        yield from (Text(f"  {line}", "dim") for line in tail(self.judgement.log or "", LOG_LINES))


def _order(facts: Mapping[str, Any]) -> str:
    return "<" if facts["byteorder"] == "little" else ">"


def _records(number: int) -> str:
    return f"{counted(number, 'record')}" if number else "no record"


def _shown(data: bytes) -> str:
    return excerpt(repr(data.decode()) if data.isascii() else data.hex(), SHOWN)
