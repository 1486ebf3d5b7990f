"""OVW: rings that overwrite their oldest records instead of refusing new ones."""

from __future__ import annotations

from dataclasses import dataclass
from errno import EINVAL
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.base import Finding, each_of, readable, size_of
from dynptr_harness.conformance.experiments.maps import RB_OVERWRITE
from dynptr_harness.conformance.experiments.script import (
    AVAIL_DATA,
    OVERWRITE_POS,
    Access,
    Act,
    Event,
    Fill,
    Reserve,
    Script,
    Step,
    Wait,
    Watch,
)
from dynptr_harness.protocol.ring import footprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.conformance.experiments.base import Experiment, Reply

_RESERVE = "kernel/bpf/ringbuf.c, __bpf_ringbuf_reserve: overwrite_mode (v6.19, commit feeaf1346f80)"
_AVAILABLE = "kernel/bpf/ringbuf.c, ringbuf_avail_data_sz (v6.19, commit feeaf1346f80)"
_COMMIT = (
    "kernel/bpf/ringbuf.c, bpf_ringbuf_commit: it compares the positions of the consumer and of the record "
    "modulo the ring size"
)


@dataclass(frozen=True)
class OverwritingStep(Step):
    """A step on a ring that overwrites. Its available data is not the difference of the two positions."""

    def _positions(self, outcome: dict[str, Any]) -> Iterator[Finding]:
        points = [outcome["start"], *outcome["after_reserve"], *outcome["after_release"]]
        _available, _consumer, producer = outcome["start"]
        producers = [producer]
        for slot in self.slots:
            producers.append(producers[-1] + slot.moves)
        producers += producers[-1:] * len(outcome["after_release"])
        yield Finding("producer positions", producers, [producer for _, _, producer in points])
        yield Finding("consumer positions", [0] * len(points), [consumer for _, consumer, _ in points])


@dataclass(frozen=True)
class Survivors:
    """The complete records that the raw reader finds, none of them before the overwrite position.

    Attributes:
        producer, pending, overwrite: positions on the producer page. The consumer position is 0.
        cnt: number of remaining records, each of `size` bytes.
        oldest: payload of the first.
        at_consumer: the 8 bytes at the consumer position.
    """

    producer: int
    pending: int
    overwrite: int
    cnt: int
    size: int
    oldest: bytes
    at_consumer: bytes = b""

    def request(self) -> dict[str, Any]:
        return {"act": "peek"}

    def findings(self, seen: Reply) -> Iterator[Finding]:
        positions = {"consumer": 0, "pending": self.pending, "overwrite": self.overwrite}
        positions["producer"] = self.producer
        yield Finding("positions", positions, {name: seen.get(name) for name in positions})
        records = each_of(seen["records"])
        yield Finding("headers", [hex(self.size)] * self.cnt, [hex(record["header"]) for record in records])
        begin = [self.overwrite + i * footprint(self.size) for i in range(self.cnt)]
        yield Finding("they begin at", begin, [record["position"] for record in records])
        oldest = readable(records[0]["payload"]) if records else None
        yield Finding("oldest record", readable(self.oldest.hex()), oldest)
        sizes = {size_of(record["payload"]) for record in records}
        yield Finding("sizes", {self.size}, sizes)
        if self.at_consumer:
            yield Finding("at the consumer's position", self.at_consumer.hex(), seen.get("at_consumer"))


def _filled(size: int, cnt: int, *steps: Step) -> Event:
    """Reserve `cnt` records of one size, which must all succeed, and then execute the steps."""
    return Event(steps, Fill(Reserve(size), cnt, cnt))


def _marked(payload: bytes) -> OverwritingStep:
    return OverwritingStep((Reserve(len(payload)),), (Access("write", 0, len(payload)),), payload)


def _query(what: int, answer: int, *slots: Reserve) -> OverwritingStep:
    return OverwritingStep(slots, (Access("query", answer, flags=what),))


def _script(*acts: Act) -> Script:
    return Script(acts, ring_flags=RB_OVERWRITE)


# 300 records of 16 bytes, including the header, in 4096 bytes: 45 records (720 bytes) are overwritten.
_OVERFULL = (
    _filled(8, 45, _marked(b"record45")),
    _filled(8, 254),
    Survivors(4800, 4784, 720, 255, 8, b"record45"),
)
_FULL = _filled(8, 300)
_LIMITS = Event((OverwritingStep((Reserve(4081, errno=EINVAL), Reserve(4088, errno=EINVAL), Reserve(4080))),))


def _row(number: int, title: str, experiment: Experiment, source: str = _RESERVE) -> Case:
    # programs reach the ring through a map of maps; BCC's accepts only rings without flags: see MAP-016
    loaders = ("libbpf",)
    return Case(f"OVW-{number:03}", title, experiment, source, loaders=loaders, overwrites=True)


CASES = (
    _row(1, "every reservation succeeds without a consumer", _script(_FULL)),
    _row(
        2,
        "the overwrite position advances by whole records, as far as the newest record needs space",
        _script(*_OVERFULL),
    ),
    _row(
        3,
        "the record at the overwrite position is the oldest complete one, and all later records are complete",
        _script(*_OVERFULL, _filled(8, 1), Survivors(4816, 4800, 736, 255, 8, bytes(8))),
    ),
    _row(
        4,
        "bpf_ringbuf_query returns the overwrite position",
        _script(_FULL, Event((_query(OVERWRITE_POS, 720),))),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_query: BPF_RB_OVERWRITE_POS (v6.19, commit feeaf1346f80)",
    ),
    _row(
        5,
        "AVAIL_DATA counts from the overwrite position",
        _script(
            Event((_query(AVAIL_DATA, 16, Reserve(8)),)),
            _filled(8, 299),
            Event((_query(AVAIL_DATA, 4080),)),
        ),
        _AVAILABLE,
    ),
    _row(
        6,
        "the largest record has ring size - 16 bytes, in an empty ring and in a full one",
        _script(_LIMITS, _FULL, _LIMITS),
    ),
    _row(
        7,
        "two open records can fill the ring",
        _script(Event((OverwritingStep((Reserve(2040), Reserve(2032))),))),
    ),
    _row(
        8,
        "an open record is not overwritten: a reservation that needs its space fails until its release",
        _script(
            Event((_query(OVERWRITE_POS, 0, Reserve(2040, release="discard"), Reserve(2040, errno=EINVAL)),)),
            Event((_query(OVERWRITE_POS, 2048, Reserve(2040)),)),
        ),
    ),
    _row(
        9,
        "a consumer that ignores the overwrite position starts in the middle of a newer record",
        # the record at 4080 ends in the next lap, with half of its payload at position 0
        _script(
            _filled(16, 170, _marked(b"a record no head")),
            Survivors(4104, 4080, 24, 170, 16, bytes(16), at_consumer=b" no head"),
        ),
    ),
    _row(
        11,
        "an idle consumer is woken only when a record starts at its position modulo the ring size",
        # a record of 24 bytes starts at the start of the ring once in three laps
        _script(
            Watch(edge=True),
            *(
                act
                for cnt, woken in ((1, True), (511, False), (1, True), (87, False))
                for act in (_filled(16, cnt), Wait(woken))
            ),
        ),
        _COMMIT,
    ),
)
