"""Experiments in words: what is done, and what must come of it, an act or a step a line.

An experiment or act without words of its own here is told by its fields.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from errno import errorcode
from functools import singledispatch
from itertools import groupby
from typing import TYPE_CHECKING

from dynptr_harness.conformance.experiments.base import Phases
from dynptr_harness.conformance.experiments.capabilities import Capabilities, WithSysctl
from dynptr_harness.conformance.experiments.examples import Example
from dynptr_harness.conformance.experiments.maps import MapCalls
from dynptr_harness.conformance.experiments.prog_run import ProgRuns
from dynptr_harness.conformance.experiments.script import (
    BUSY,
    DISCARDED,
    FORCE_WAKEUP,
    NO_WAKEUP,
    Access,
    Consume,
    Event,
    Fill,
    Held,
    NewRing,
    Peek,
    Poll,
    Reserve,
    Script,
    Seek,
    Step,
    Wait,
    Watch,
)
from dynptr_harness.conformance.experiments.stress import Stress
from dynptr_harness.conformance.experiments.verifier import Call, Program, Verification
from dynptr_harness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynptr_harness.conformance.experiments.base import Experiment
    from dynptr_harness.conformance.experiments.script import Act

Lines = list[str]
_DEPTH = "  "
_ENOTSUPP = 524  # include/linux/errno.h: the kernel's own, and yet it gets out
_QUERIES = ("AVAIL_DATA", "RING_SIZE", "CONS_POS", "PROD_POS", "OVERWRITE_POS")
_WAKE_UPS = {
    NO_WAKEUP: "NO_WAKEUP",
    FORCE_WAKEUP: "FORCE_WAKEUP",
    NO_WAKEUP | FORCE_WAKEUP: "NO_WAKEUP | FORCE_WAKEUP",
}
_OF_THE_WHOLE = frozenset({"size", "is-null", "is-null-word", "is-rdonly"})
_RANGE = "{op} {len} at {offset}{with_flags}"
_RANGES = {
    "adjust": "adjust to {offset}..{len}",
    "copy": "copy {len} to {offset} from {flags} of the other",
    "memset": "memset {len} at {offset} to {flags:#x}",
    "probe-read": "probe-read {len} to {offset}{with_flags}",
}
_POINTERS = frozenset({"slice", "slice-write", "plain-reserve", "kfunc-slice", "buffer-slice", "rdwr-slice"})
_POINTER = ("NULL", "pointer", "pointer to its buffer")
_OF_THE_RING = frozenset({"query", "plain-output", "plain-reserve"})


@singledispatch
def describe(experiment: Experiment) -> Lines:
    """The experiment, a thing that is done a line, each with what must come of it."""
    return [_told(experiment)]


@describe.register
def _(phases: Phases) -> Lines:
    fires = "the program runs once, one record arrives, poll announces one"
    silence = "no program runs, no record arrives, poll announces none"
    lines = {
        "before": "the example is loaded, and the event fired",
        "attached": "the example is attached, and the event fired",
        "after": "the example is detached, and the event fired",
    }
    wanted = fires if phases.phase == "attached" else silence
    return [f"{line} -> {wanted}" if phase == phases.phase else line for phase, line in lines.items()]


@describe.register
def _(verification: Verification) -> Lines:
    return [f"load {program.name} -> {_verdict(program)}" for program in verification.programs]


def _verdict(program: Program | Call) -> str:
    if isinstance(program, Program) and program.errno:
        return _refusal(program.errno, program.reasons)
    return program.answer


@describe.register
def _(rights: Capabilities) -> Lines:
    lines = [f"kernel.unprivileged_bpf_disabled is {rights.unprivileged}"]
    for holder in rights.processes:
        ring = f"refused with {errno(-holder.ring)}" if holder.ring else "made"
        lines.append(f"a process with {holder.name} makes a ring -> {ring}")
        lines += [f"{_DEPTH}load {each.name} as {kind} -> {_verdict(each)}" for kind, each in holder.programs]
    return lines


@describe.register
def _(under: WithSysctl) -> Lines:
    settings = [f"{name} is {value} meanwhile" for name, value in under.sysctl.items()]
    return [*settings, *describe(under.experiment)]


def _refusal(number: int, reasons: Sequence[str]) -> str:
    return f"refused with {errno(-number)}, and the log says: {'; '.join(reasons)}"


@describe.register
def _(script: Script) -> Lines:
    acts = script.acts
    flags = _flags(script.ring_flags)
    ring = (
        [] if acts and isinstance(acts[0], NewRing) else [f"{in_words(NewRing(script.ring_size))[0]}{flags}"]
    )
    lines = [*ring, *(line for act in acts for line in in_words(act))]
    if any(isinstance(act, Event) and act.steps for act in acts):
        lines.append("at every point: a granted reservation moves the producer position, nothing else does")
    return lines


@describe.register
def _(calls: MapCalls) -> Lines:
    return [line for act in calls.acts for line in in_words(act)]


@describe.register
def _(example: Example) -> Lines:
    lines = [f"attach bpf_src/examples/{example.name}.bpf.c"]
    for call in example.calls:
        sizes = " + ".join(str(len(buffer)) for buffer in call)
        name = "write" if len(call) == 1 else "writev"
        lines.append(f"{name} of {sizes} bytes -> a record of them arrives")
    return lines


@describe.register
def _(program: ProgRuns) -> Lines:
    lines = [f"load {name} of bpf_src/elf/{program.object}.bpf.c" for name in program.request()["functions"]]
    for run in program.runs:
        unmapped = run.memory is None
        memory = (
            "an address that is not mapped" if unmapped else f"the address of {_bytes(run.memory or b'')}"
        )
        given = "a packet" if program.packet else memory
        records = (
            [run.records] if isinstance(run.records, str) else [_bytes(record) for record in run.records]
        )
        lines.append(
            f"run {program.function} with {given} -> returns {run.answer}, results {list(run.results)}, "
            f"records: {_several(records, 'none')}"
        )
    return lines


@describe.register
def _(flood: Stress) -> Lines:
    times = f"{flood.interruptions} times"
    interruption = {
        "none": [],
        "stall": [f"the consumer stalls {times}, until there is no room in the ring"],
        "kill": [f"the consumer is killed {times}, and another takes over"],
    }
    return [
        f"a new ring of {flood.ring_size} bytes",
        f"on all CPUs, programs of the type and perf events amid them try {flood.attempts} reservations",
        *interruption[flood.interruption],
        "at the end -> every attempt was submitted, discarded, refused, or found no room",
        "at the end -> exactly what was submitted has arrived, each record whole, and in order for each CPU",
    ]


@singledispatch
def in_words(act: Act) -> Lines:
    """One act, in a line; the steps of an event are lines of their own below it."""
    return [_told(act)]


@in_words.register
def _(event: Event) -> Lines:
    often = len(event.steps)
    lines = [
        f"the event is fired {often} times, a step each time:"
        if often > 1
        else "the event is fired, and runs the program once:"
    ]
    if event.fill:
        lines.append(_DEPTH + _fill(event.fill))
    return lines + [_DEPTH + _step(step) for step in event.steps]


@in_words.register
def _(held: Held) -> Lines:
    lines = ["the event is fired, and its program waits for user space where it says so:"]
    slots = held.slots
    pauses = (held.after_a, held.after_b)
    for letter, slot, acts in zip("ABC", slots, pauses, strict=False):
        lines.append(
            f"{_DEPTH}{letter}: {_reserve(slot)} -> {errno(-slot.errno) if slot.errno else 'granted'}"
        )
        lines += _meanwhile(acts)
    first, *others = (letter for letter in held.order if letter in "ABC"[: len(slots)])
    for letter, acts in ((first, held.after_release), *((other, ()) for other in others)):
        lines.append(f"{_DEPTH}{letter}: {_release(slots['ABC'.index(letter)])}")
        lines += _meanwhile(acts)
    return lines


def _meanwhile(acts: Sequence[Act]) -> Lines:
    return [f"{_DEPTH * 2}{line}" for act in acts for line in in_words(act)]


@in_words.register
def _(ring: NewRing) -> Lines:
    return [f"a new ring of {ring.size} bytes"]


@in_words.register
def _(peek: Peek) -> Lines:
    pages = "" if peek.page_offset is None else f", each with page offset {peek.page_offset}"
    headers = _several(list(map(_header, peek.headers)), "no record")
    return [f"user space looks at the headers -> {headers}{pages}"]


@in_words.register
def _(consume: Consume) -> Lines:
    said = [counted(each, "byte") if isinstance(each, int) else _bytes(each) for each in consume.records]
    return [f"user space consumes, in two ways -> {_several(said, 'no record')}"]


@in_words.register
def _(seek: Seek) -> Lines:
    ahead = f"{abs(seek.ahead)} bytes {'ahead of' if seek.ahead > 0 else 'behind'} " if seek.ahead else ""
    return [f"user space writes the consumer position: {ahead}the producer position"]


@in_words.register
def _(watch: Watch) -> Lines:
    return [f"user space watches the ring with {'edge' if watch.edge else 'level'}-triggered epoll"]


@in_words.register
def _(wait: Wait) -> Lines:
    return [f"user space waits with epoll -> {'woken' if wait.woken else 'not woken'}"]


@in_words.register
def _(poll: Poll) -> Lines:
    return [f"user space calls poll(2) -> {'readable' if poll.readable else 'not readable'}, never writable"]


def errno(number: int) -> str:
    """A negative number as the name of the error, any other as itself: '-EINVAL' for -22."""
    if number == -_ENOTSUPP:
        return "-ENOTSUPP"
    return f"-{errorcode[-number]}" if -number in errorcode else str(number)


def _fill(fill: Fill) -> str:
    end = f", and one more -> {errno(-fill.errno)}" if fill.errno else ""
    return (
        f"up to {fill.cnt} times: {_reserve(fill.each)}, {_release(fill.each)} -> {fill.granted} granted{end}"
    )


def _step(step: Step) -> str:
    """Everything of a step, what has the same answer together; several dynptrs have letters, a clone is D."""
    letters = "ABC"[: len(step.slots)] + ("" if step.clone is None else "D")

    def named(slot: int) -> str:
        return f"{'ABCD'[slot]}: " if len(letters) > 1 else ""

    deeds = [
        (named(number) + _reserve(slot), errno(-slot.errno) if slot.errno else "granted")
        for number, slot in enumerate(step.slots)
    ]
    if step.clone is not None:
        deeds.append(("D: clone of A", errno(step.clone)))
    for access in step.accesses:
        name = "" if access.op in _OF_THE_RING else named(access.slot)
        deeds.append((name + _access(access), _answer(access)))
    told = [
        f"{', '.join(deed for deed, _answer in same)} -> {answer}"
        for answer, same in groupby(deeds, key=lambda deed: deed[1])
    ]
    order = ["ABCD".index(letter) for letter in step.order if letter in letters]
    # the clone is the reservation of the first
    releases = [named(slot) + _release(step.slots[slot if slot < len(step.slots) else 0]) for slot in order]
    return "; ".join([*told, *([", ".join(releases)] if releases else [])])


def _reserve(slot: Reserve) -> str:
    return f"reserve {_number(slot.size)}{_flags(slot.flags)}"


def _release(slot: Reserve) -> str:
    known = _WAKE_UPS.get(slot.release_flags)
    return f"{slot.release}{f' {known}' if known else _flags(slot.release_flags)}"


def _access(access: Access) -> str:
    if access.op == "query":
        return f"query {_QUERIES[access.flags] if access.flags < len(_QUERIES) else hex(access.flags)}"
    if access.op in _OF_THE_RING | _OF_THE_WHOLE:
        return f"{access.op}{_flags(access.flags)}"
    return _RANGES.get(access.op, _RANGE).format(
        op=access.op,
        len=_number(access.len),
        offset=_number(access.offset),
        flags=access.flags,
        with_flags=_flags(access.flags),
    )


def _answer(access: Access) -> str:
    if access.op in _POINTERS:
        answer = _POINTER[access.want]
        return f"{answer} to {_bytes(access.data)}" if access.data else answer
    return _bytes(access.data) if access.data and access.want == 0 else errno(access.want)


def _flags(flags: int) -> str:
    return f" flags {flags:#x}" if flags else ""


def _number(number: int) -> str:
    return str(number) if abs(number) < 1 << 20 else hex(number)


def _bytes(data: bytes) -> str:
    if not any(data):
        return f"{counted(len(data), 'byte')}{' of zero' if data else ''}"
    text = repr(data.decode()) if data.isascii() and data.decode().isprintable() else data.hex()
    return text if len(text) <= 40 else f"{counted(len(data), 'byte')} {text[:32]}..."


def _header(header: int) -> str:
    """A header word in hex, as it lies there, and its bits in words."""
    bits = [word for bit, word in ((BUSY, "busy"), (DISCARDED, "discarded")) if header & bit]
    return f"{header:#x}{f' ({bits[0]})' if bits else ''}"


def _several(words: Sequence[str], none: str) -> str:
    """Words in a row, those that repeat as a count: '3 times 8 bytes, 0x8'."""
    counted = [(word, len(list(same))) for word, same in groupby(words)]
    return ", ".join(word if count == 1 else f"{count} times {word}" for word, count in counted) or none


def _told(value: object) -> str:
    """Anything by the name of its class, its fields that are not as usual, and the error it must give."""
    if not is_dataclass(value):
        return str(value)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(value).__name__).lower()
    told = {field.name: getattr(value, field.name) for field in fields(value)}
    unusual = [
        f"{field.name.replace('_', ' ')} {_told_field(field.name, told[field.name])}"
        for field in fields(value)
        if told[field.name] != field.default and field.name != "errno"
    ]
    return f"{name}: {', '.join(unusual)}{_error(told)}" if unusual else f"{name}{_error(told)}"


def _error(told: Mapping[str, object]) -> str:
    if "errno" not in told:
        return ""
    number = told["errno"]
    return f" -> {errno(-number) if number else 'done'}" if isinstance(number, int) else " -> no such map"


def _told_field(name: str, value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{'; '.join(_told_field(name, each) for each in value)}]"
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, int):
        return hex(value) if "flags" in name else _number(value)
    return f"({_told(value)})" if is_dataclass(value) else str(value)
