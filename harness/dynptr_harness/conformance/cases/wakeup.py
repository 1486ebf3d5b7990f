"""WKP: wake-ups of the consumer by a release, as seen by epoll and poll(2)."""

from __future__ import annotations

from errno import EINVAL
from typing import TYPE_CHECKING

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.base import RING_SIZE
from dynptr_harness.conformance.experiments.script import (
    FORCE_WAKEUP,
    NO_WAKEUP,
    Act,
    Consume,
    Event,
    Held,
    NewRing,
    Poll,
    Reserve,
    Script,
    Seek,
    Step,
    Wait,
    Watch,
    discarded,
    refused,
    script,
    submitted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.conformance.experiments.base import Experiment

_COMMIT = "kernel/bpf/ringbuf.c, bpf_ringbuf_commit: wake if forced, or if the consumer is at this record"
_POLL = "kernel/bpf/ringbuf.c, ringbuf_map_poll_kern: readable while there is data (v5.8, 457f44363a88)"

UNKNOWN = 4, 1 << 40  # flags that a release ignores


# A record without a wake-up makes the consumer lag.
_ONE_BEHIND: tuple[Act, ...] = (Event((submitted(b"one behind", NO_WAKEUP),)), Wait(woken=False))


def _wake(*flags: int, woken: bool, lagging: bool = False) -> list[Script]:
    """Return a script with a submit for each of the flags."""
    behind = _ONE_BEHIND if lagging else ()
    return [
        script(
            Watch(), *behind, Event((submitted(b"a record", wake),)), Wait(woken=woken), Poll(readable=True)
        )
        for wake in flags
    ]


def _discards(*flags: int, woken: bool, lagging: bool = False) -> Iterator[Act]:
    """Discard with each of the flags, on a ring with a watch. The consumer then catches up."""
    for wake in flags:
        yield from _ONE_BEHIND if lagging else ()
        yield Event((discarded(b"a record", wake),))
        yield from (Wait(woken=woken), Poll(readable=True), Seek())


def _released_behind_an_open_one(wake_of_the_open_one: int, *, woken: bool) -> Script:
    """Submit B with flags 0 while the older A is open, then submit A with these flags."""
    a, b = Reserve(8, release_flags=wake_of_the_open_one), Reserve(8)
    return script(
        Watch(), Event((Step((a, b), order="BAC"),)), Wait(woken=woken), Poll(readable=True), Consume((8, 8))
    )


def _each(*scripts: Script) -> Experiment:
    """Run the scripts in turn, each on a new ring."""
    acts: list[Act] = []
    for one in scripts:
        acts += [NewRing(), *one.acts]
    return script(*acts[1:])


CASES = (
    Case(
        "WKP-001",
        "a release with flags 0 wakes a consumer that has caught up",
        _each(*_wake(0, woken=True)),
        _COMMIT,
    ),
    Case(
        "WKP-002",
        "a release with NO_WAKEUP wakes no consumer, but poll(2) reports the ring as readable",
        _each(*_wake(NO_WAKEUP, NO_WAKEUP | 4, woken=False)),
        _COMMIT,
    ),
    Case(
        "WKP-003",
        "a release with FORCE_WAKEUP wakes the consumer, with or without NO_WAKEUP",
        _each(*_wake(FORCE_WAKEUP, FORCE_WAKEUP | NO_WAKEUP, woken=True)),
        _COMMIT,
    ),
    Case(
        "WKP-004",
        "a release treats unknown flags as 0",
        _each(*_wake(*UNKNOWN, woken=True)),
        _COMMIT,
    ),
    Case(
        "WKP-005",
        "a release with flags 0 does not wake a consumer that lags",
        _each(*_wake(0, *UNKNOWN, woken=False, lagging=True)),
        _COMMIT,
    ),
    Case(
        "WKP-006",
        "a release with NO_WAKEUP does not wake a consumer that lags",
        _each(*_wake(NO_WAKEUP, NO_WAKEUP | 4, woken=False, lagging=True)),
        _COMMIT,
    ),
    Case(
        "WKP-007",
        "a release with FORCE_WAKEUP wakes a consumer that lags",
        _each(*_wake(FORCE_WAKEUP, FORCE_WAKEUP | NO_WAKEUP, woken=True, lagging=True)),
        _COMMIT,
    ),
    Case(
        "WKP-008",
        "a discard wakes the consumer exactly if a submit would",
        script(
            Watch(edge=True),  # epoll reports each wake-up once
            *_discards(0, FORCE_WAKEUP, *UNKNOWN, woken=True),
            *_discards(NO_WAKEUP, woken=False),
            *_discards(FORCE_WAKEUP, woken=True, lagging=True),
            *_discards(0, NO_WAKEUP, woken=False, lagging=True),
        ),
        _COMMIT,
    ),
    Case(
        "WKP-009",
        "the release of a null dynptr wakes no consumer, even with FORCE_WAKEUP",
        script(
            Watch(),
            Event(tuple(refused(Reserve(8, 1, EINVAL, how, FORCE_WAKEUP)) for how in ("submit", "discard"))),
            Wait(woken=False),
            Poll(readable=False),
        ),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_submit_dynptr: !ptr->data (v5.19, commit bc34dee65a65)",
    ),
    Case(
        "WKP-010",
        "an empty ring is not readable",
        script(Watch(), Wait(woken=False), Poll(readable=False)),
        _POLL,
    ),
    Case(
        "WKP-011",
        "an open reservation wakes no consumer until its release, but poll(2) reports the ring as readable",
        script(
            Watch(),
            Held((Reserve(8),), after_a=(Wait(woken=False), Poll(readable=True))),
            Wait(woken=True),
            Consume((8,)),
            by="held_steps",
        ),
        _POLL,
        loaders=("libbpf",),
    ),
    Case(
        "WKP-012",
        "epoll reports data that was submitted without a wake-up before the ring was added",
        script(Event((submitted(b"not announced", NO_WAKEUP),)), Watch(), Wait(woken=True)),
        _POLL,
    ),
    Case(
        "WKP-013",
        "level-triggered epoll reports the ring as long as it has data, and not afterwards",
        script(
            Watch(),
            Event((submitted(b"a record"),)),
            Wait(woken=True),
            Wait(woken=True),
            Consume((b"a record",)),
            Wait(woken=False),
        ),
        _POLL,
    ),
    Case(
        "WKP-014",
        "edge-triggered epoll reports the ring once, and not again for a second record behind an unread one",
        script(
            Watch(edge=True),
            Event((submitted(b"announced"),)),
            Wait(woken=True),
            Event((submitted(b"not announced"),)),
            Wait(woken=False),
            Consume((b"announced", b"not announced")),
            Event((submitted(b"announced again"),)),
            Wait(woken=True),
        ),
        _COMMIT,
    ),
    Case(
        "WKP-015",
        "poll(2) never reports the ring as writable, empty or not",
        script(Poll(readable=False), Event((submitted(b"a record"),)), Poll(readable=True)),
        _POLL,
    ),
    Case(
        "WKP-016",
        "a submit behind an open record wakes no consumer; the flags of the open record's release decide",
        _each(
            _released_behind_an_open_one(NO_WAKEUP, woken=False),
            _released_behind_an_open_one(0, woken=True),
        ),
        _COMMIT,
    ),
    Case(
        "WKP-020",
        "a ring with one empty record is readable",
        script(Event((submitted(b""),)), Watch(), Wait(woken=True), Poll(readable=True), Consume((b"",))),
        _POLL,
    ),
    Case(
        "WKP-021",
        "in the second lap of the ring, a release with flags 0 wakes a consumer that has caught up",
        script(
            Event((Step((Reserve(RING_SIZE - 24),)),)),
            Consume((RING_SIZE - 24,)),
            Event((Step((Reserve(16),)),)),  # from the last 16 bytes over the end
            Consume((16,)),
            Watch(),
            Event((submitted(b"second lap"),)),
            Wait(woken=True),
            Consume((b"second lap",)),
        ),
        _COMMIT,
    ),
)
