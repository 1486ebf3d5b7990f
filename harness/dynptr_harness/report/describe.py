"""Descriptions of experiments: one line for each step, with the expected result after '->'."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from errno import errorcode
from functools import singledispatch
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.experiments.base import Phases
from dynptr_harness.conformance.experiments.capabilities import Capabilities, WithSysctl
from dynptr_harness.conformance.experiments.examples import Example
from dynptr_harness.conformance.experiments.maps import Create, Element, Info, MapCalls, Mmap, Mprotect
from dynptr_harness.conformance.experiments.script import (
    FORCE_WAKEUP,
    KFUNC_OF,
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
from dynptr_harness.conformance.experiments.verifier import HelperCall, Verification, VerifierProgram
from dynptr_harness.core.text import counted
from dynptr_harness.protocol.ring import BUSY, DISCARDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dynptr_harness.conformance.experiments.base import Experiment
    from dynptr_harness.conformance.experiments.script import Act

Lines = list[str]
_INDENT = "  "
_ENOTSUPP = 524  # include/linux/errno.h: internal to the kernel, but some calls return it to user space
_QUERIES = ("AVAIL_DATA", "RING_SIZE", "CONS_POS", "PROD_POS", "OVERWRITE_POS")
_WAKE_UPS = {
    NO_WAKEUP: "NO_WAKEUP",
    FORCE_WAKEUP: "FORCE_WAKEUP",
    NO_WAKEUP | FORCE_WAKEUP: "NO_WAKEUP | FORCE_WAKEUP",
}
_PROTECTIONS = {"r": "PROT_READ", "rw": "PROT_READ | PROT_WRITE", "rx": "PROT_READ | PROT_EXEC"}
_ELEMENT_CALLS = {
    "lookup": "look up an element",
    "update": "update an element",
    "delete": "delete an element",
    "next": "get the next key",
}
_RING_CALLS = {"plain-output": "bpf_ringbuf_output", "plain-reserve": "bpf_ringbuf_reserve"}
_RANGE = "{len} at {offset}{with_flags}"
_RANGES = {
    "write": f"write {_RANGE}",
    "read": f"read {_RANGE}",
    "slice": f"data slice of {_RANGE}",
    "slice-write": f"write {_RANGE} through a data slice",
    "adjust": "{kfunc} to {offset}..{end}",
    "copy": "{kfunc} {len} to {offset} from {flags} of the other dynptr",
    "memset": "{kfunc} {len} at {offset} to {flags:#x}",
    "probe-read": "{kfunc} {len} to {offset}{with_flags}",
    "kfunc-slice": f"{{kfunc}} of {_RANGE}",
    "buffer-slice": f"{{kfunc}} of {_RANGE} with a buffer",
    "rdwr-slice": f"{{kfunc}} of {_RANGE}",
}
_RETURN_POINTERS = frozenset(
    {"slice", "slice-write", "plain-reserve", "kfunc-slice", "buffer-slice", "rdwr-slice"}
)
_POINTERS = ("NULL", "pointer", "pointer to the buffer")


@singledispatch
def describe(experiment: Experiment) -> Lines:
    """Return one line for each step of an experiment, with the expected result after '->'."""
    return [_generic(experiment)]


@describe.register
def _(phases: Phases) -> Lines:
    fires = "the program runs once, poll reports one record, and the consumer reads it"
    silence = "the program does not run, poll reports no record, and the consumer reads none"
    lines = {
        "before": "load the example and trigger the event",
        "attached": "attach the example and trigger the event",
        "after": "detach the example and trigger the event",
    }
    expected = fires if phases.phase == "attached" else silence
    return [f"{line} -> {expected}" if phase == phases.phase else line for phase, line in lines.items()]


@describe.register
def _(verification: Verification) -> Lines:
    return [f"load {program.name} -> {_answer_of(program)}" for program in verification.programs]


def _answer_of(program: VerifierProgram | HelperCall) -> str:
    if isinstance(program, VerifierProgram) and program.errno:
        return f"rejected with {errno(-program.errno)}, verifier log: {'; '.join(program.reasons)}"
    return program.answer


@describe.register
def _(capabilities: Capabilities) -> Lines:
    lines = [f"set kernel.unprivileged_bpf_disabled to {capabilities.unprivileged}"]
    for process in capabilities.processes:
        created = errno(-process.ring) if process.ring else "success"
        lines.append(f"a process with {process.name} creates a ring -> {created}")
        lines += [
            f"{_INDENT}load {each.name} as {kind} -> {_answer_of(each)}" for kind, each in process.programs
        ]
    return lines


@describe.register
def _(under: WithSysctl) -> Lines:
    settings = [f"set {name} to {value} for the following" for name, value in under.sysctl.items()]
    return [*settings, *describe(under.experiment)]


@describe.register
def _(script: Script) -> Lines:
    acts = script.acts
    ring = f"{describe_act(NewRing(script.ring_size))[0]}{_flags(script.ring_flags)}"
    lines = [] if acts and isinstance(acts[0], NewRing) else [ring]
    lines += [line for act in acts for line in describe_act(act)]
    if any(isinstance(act, Event) and act.steps for act in acts):
        lines.append("at each point -> only a granted reservation has moved the producer position")
    return lines


@describe.register
def _(calls: MapCalls) -> Lines:
    return [line for act in calls.acts for line in describe_act(act)]


@describe.register
def _(example: Example) -> Lines:
    lines = [f"attach bpf_src/examples/{example.name}.bpf.c"]
    for call in example.calls:
        name = "write" if len(call) == 1 else "writev"
        sizes = " + ".join(str(len(buffer)) for buffer in call)
        unit = "byte" if sizes == "1" else "bytes"
        lines.append(f"{name}(2) {sizes} {unit} -> one record with the data")
    return lines


@describe.register
def _(stress: Stress) -> Lines:
    times = counted(stress.interruptions, "time")
    interruption = {
        "none": [],
        "stall": [f"the consumer stalls {times}, until the ring is full"],
        "kill": [f"the consumer is killed {times}, and another one continues"],
    }
    return [
        f"create a ring of {stress.ring_size} bytes",
        f"try {stress.attempts} reservations on all CPUs, in the program and in interrupting perf events",
        *interruption[stress.interruption],
        "at the end -> each reservation was submitted, was discarded, was rejected, or found the ring full",
        "at the end -> the consumer read each submitted record once, complete, and in order for each CPU",
    ]


@singledispatch
def describe_act(act: Act) -> Lines:
    """Return one line for an action, followed by an indented line for each step of an event."""
    return [_generic(act)]


@describe_act.register
def _(event: Event) -> Lines:
    count = len(event.steps)
    heading = (
        f"trigger the event {count} times, one step each time:"
        if count > 1
        else "trigger the event; the program runs once:"
    )
    fill = [_INDENT + _fill(event.fill)] if event.fill else []
    return [heading, *fill, *(_INDENT + _step(step) for step in event.steps)]


@describe_act.register
def _(held: Held) -> Lines:
    lines = ["trigger the event; the program waits while user space does the indented steps:"]
    slots = held.slots
    pauses = (held.after_a, held.after_b)
    for letter, slot, acts in zip("ABC", slots, pauses, strict=False):
        granted = errno(-slot.errno) if slot.errno else "granted"
        lines.append(f"{_INDENT}{letter}: {_reserve(slot)} -> {granted}")
        lines += _paused(acts)
    first, *others = (letter for letter in held.order if letter in "ABC"[: len(slots)])
    for letter, acts in ((first, held.after_release), *((other, ()) for other in others)):
        lines.append(f"{_INDENT}{letter}: {_release(slots['ABC'.index(letter)])}")
        lines += _paused(acts)
    return lines


def _paused(acts: Sequence[Act]) -> Lines:
    return [f"{_INDENT * 2}{line}" for act in acts for line in describe_act(act)]


@describe_act.register
def _(ring: NewRing) -> Lines:
    return [f"create a ring of {ring.size} bytes"]


@describe_act.register
def _(peek: Peek) -> Lines:
    pages = "" if peek.page_offset is None else f", each with page offset {peek.page_offset}"
    headers = _run_lengths([_header(header) for header in peek.headers], "no record")
    return [f"read the record headers -> {headers}{pages}"]


@describe_act.register
def _(consume: Consume) -> Lines:
    records = [counted(each, "byte") if isinstance(each, int) else _bytes(each) for each in consume.records]
    return [f"consume with libbpf and with the raw reader -> {_run_lengths(records, 'no record')}"]


@describe_act.register
def _(seek: Seek) -> Lines:
    if not seek.ahead:
        return ["set the consumer position to the producer position"]
    direction = "ahead of" if seek.ahead > 0 else "behind"
    return [f"set the consumer position {abs(seek.ahead)} bytes {direction} the producer position"]


@describe_act.register
def _(watch: Watch) -> Lines:
    return [f"watch the ring with {'edge' if watch.edge else 'level'}-triggered epoll"]


@describe_act.register
def _(wait: Wait) -> Lines:
    return [f"wait with epoll -> {'woken' if wait.woken else 'not woken'}"]


@describe_act.register
def _(poll: Poll) -> Lines:
    return [f"poll(2) -> {'readable' if poll.readable else 'not readable'}, not writable"]


@describe_act.register
def _(create: Create) -> Lines:
    names = ("map_type", "key_size", "value_size", "max_entries", "map_flags", "numa_node", "map_extra")
    attributes = [f"{name} {value}" for name, value in _changed(create, names).items()]
    if create.inner:
        attributes.append(f"inner map {create.inner}")
    if create.by_nobody is not None:
        attributes.append(f"no capability, kernel.unprivileged_bpf_disabled {create.by_nobody}")
    if create.memory is not None:
        attributes.append(f"memory limit {_number(create.memory)} bytes")
    return [_map_call(f"create the map {create.name}", attributes, create.errno)]


@describe_act.register
def _(info: Info) -> Lines:
    failed = _map_call(f"get the info of the map {info.name}", (), info.errno)
    if info.errno != 0:
        return [failed]
    expected = f"type {info.type}, max_entries {_number(info.max_entries)}, map_flags {info.map_flags:#x}"
    return [failed.removesuffix("success") + expected]


@describe_act.register
def _(element: Element) -> Lines:
    attributes = [f"key {'NULL' if element.key is None else element.key.hex()}"]
    attributes += [f"value {element.value}"] if element.value else []
    return [_map_call(f"{_ELEMENT_CALLS[element.op]} of the map {element.name}", attributes, element.errno)]


@describe_act.register
def _(mmap: Mmap) -> Lines:
    where = f"{counted(mmap.length, 'byte')} of the map {mmap.name} at offset {mmap.offset}"
    sharing = "MAP_PRIVATE" if mmap.private else "MAP_SHARED"
    return [_map_call(f"mmap {where}", [_PROTECTIONS[mmap.prot], sharing], mmap.errno)]


@describe_act.register
def _(mprotect: Mprotect) -> Lines:
    return [_map_call("mprotect the mapping", [_PROTECTIONS[mprotect.prot]], mprotect.errno)]


def _map_call(call: str, details: Sequence[str], number: int | None) -> str:
    answer = "no such map" if number is None else errno(-number) if number else "success"
    return f"{', '.join([call, *details])} -> {answer}"


def _changed(value: Any, names: Iterable[str]) -> dict[str, str]:
    """Return these fields of a dataclass as text, without default values."""
    defaults = {field.name: field.default for field in fields(value)}
    values = {name: getattr(value, name) for name in names}
    return {name: _field(name, each) for name, each in values.items() if each != defaults[name]}


def errno(number: int) -> str:
    """Return '-EINVAL' for -22, and any number that is not a negative errno in digits."""
    if number == -_ENOTSUPP:
        return "-ENOTSUPP"
    return f"-{errorcode[-number]}" if -number in errorcode else str(number)


def _fill(fill: Fill) -> str:
    end = f", then {errno(-fill.errno)}" if fill.errno else ""
    return f"{_reserve(fill.each)}, {_release(fill.each)}; {fill.cnt} times -> {fill.granted} granted{end}"


def _step(step: Step) -> str:
    """Return a line for a step. Adjacent calls with the same expected result share it.

    With several dynptrs, each has a letter; D is the clone.
    """
    letters = "ABC"[: len(step.slots)] + ("" if step.clone is None else "D")

    def named(slot: int) -> str:
        return f"{'ABCD'[slot]}: " if len(letters) > 1 else ""

    calls = [
        (named(number) + _reserve(slot), errno(-slot.errno) if slot.errno else "granted")
        for number, slot in enumerate(step.slots)
    ]
    if step.clone is not None:
        calls.append(("D: clone of A", errno(step.clone)))
    for access in step.accesses:
        of_ring = access.op == "query" or access.op in _RING_CALLS
        calls.append((("" if of_ring else named(access.slot)) + _access(access), _answer(access)))
    described = [
        f"{', '.join(call for call, _answer in same)} -> {answer}"
        for answer, same in groupby(calls, key=lambda call: call[1])
    ]
    order = ["ABCD".index(letter) for letter in step.order if letter in letters]
    # the clone is the reservation of the first
    releases = [named(slot) + _release(step.slots[slot if slot < len(step.slots) else 0]) for slot in order]
    return "; ".join([*described, *([", ".join(releases)] if releases else [])])


def _reserve(slot: Reserve) -> str:
    return f"reserve {_size(slot.size)}{_flags(slot.flags)}"


def _release(slot: Reserve) -> str:
    known = _WAKE_UPS.get(slot.release_flags)
    return f"{slot.release}{f' {known}' if known else _flags(slot.release_flags)}"


def _access(access: Access) -> str:
    if access.op == "query":
        return f"query {_QUERIES[access.flags] if access.flags < len(_QUERIES) else hex(access.flags)}"
    if access.op in _RING_CALLS:
        return f"{_RING_CALLS[access.op]}{_flags(access.flags)}"
    if access.op not in _RANGES:
        whole = " in 64 bits" if access.op == "is-null-word" else ""
        return f"{KFUNC_OF[access.op]}{whole}{_flags(access.flags)}"
    return _RANGES[access.op].format(
        kfunc=KFUNC_OF.get(access.op),
        len=_size(access.len),
        end=_number(access.len),
        offset=_number(access.offset),
        flags=access.flags,
        with_flags=_flags(access.flags),
    )


def _answer(access: Access) -> str:
    if access.op in _RETURN_POINTERS:
        answer = _POINTERS[access.want]
        return f"{answer} to {_bytes(access.data)}" if access.data else answer
    return _bytes(access.data) if access.data and access.want == 0 else errno(access.want)


def _flags(flags: int) -> str:
    return f" flags {flags:#x}" if flags else ""


def _size(size: int) -> str:
    return "1 byte" if size == 1 else f"{_number(size)} bytes"


def _number(number: int) -> str:
    return str(number) if abs(number) < 1 << 20 else hex(number)


def _bytes(data: bytes) -> str:
    if not any(data):
        return f"{counted(len(data), 'zero byte')}" if data else "0 bytes"
    text = repr(data.decode()) if data.isascii() and data.decode().isprintable() else data.hex()
    return text if len(text) <= 40 else f"{counted(len(data), 'byte')} {text[:32]}..."


def _header(header: int) -> str:
    bits = [word for bit, word in ((BUSY, "busy"), (DISCARDED, "discarded")) if header & bit]
    return f"{header:#x}{f' ({bits[0]})' if bits else ''}"


def _run_lengths(words: Sequence[str], none: str) -> str:
    """Join words, with a count for repeated ones: '3 times 8 bytes, 0x8'. Return `none` for no words."""
    runs = [(word, len(list(same))) for word, same in groupby(words)]
    return ", ".join(word if count == 1 else f"{count} times {word}" for word, count in runs) or none


def _generic(value: object) -> str:
    """Describe a dataclass by its class name, the fields that differ from their default, and its errno."""
    if not is_dataclass(value):
        return str(value)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(value).__name__).lower()
    values = {field.name: getattr(value, field.name) for field in fields(value)}
    changed = _changed(value, [name for name in values if name != "errno"])
    details = ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in changed.items())
    return f"{name}{f': {details}' if details else ''}{_error(values)}"


def _error(values: Mapping[str, object]) -> str:
    if "errno" not in values:
        return ""
    number = values["errno"]
    return f" -> {errno(-number) if number else 'success'}" if isinstance(number, int) else " -> no such map"


def _field(name: str, value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{'; '.join(_field(name, each) for each in value)}]"
    if isinstance(value, bytes):
        return _bytes(value)
    if isinstance(value, int):
        return hex(value) if "flags" in name else _number(value)
    return f"({_generic(value)})" if is_dataclass(value) else str(value)
