"""Each fault of a kernel or of the harness makes the right cells fail, and no others."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.case import Splat
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.experiments.script import Script
from dynptr_harness.conformance.judge import judge
from dynptr_harness.conformance.verdict import Verdict

from tests.unit.kernel_model import BUSY, DISCARDED, FACTS, LEAK, KernelModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.judge import Judgement
    from dynptr_harness.conformance.prog_types import ProgType

Reply = dict[str, Any]

BY_ID = {case.id: case for case in CASES}
TYPES = {prog_type.name: prog_type for prog_type in PROG_TYPES}
KPROBE = TYPES["KPROBE"]
RAW_TRACEPOINT = TYPES["RAW_TRACEPOINT"]
AVAILABLE, _CONSUMER, PRODUCER = range(3)  # of a position


SCRIPTS = [case for case in CASES if isinstance(case.experiment, Script)]


def _numbers(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of the numbers in a reply."""
    if isinstance(value, int):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _numbers(inner, (*path, key))


def answer(case: Case, prog_type: ProgType) -> Reply:
    return KernelModel().answer(case.request(prog_type))


def judged(case_id: str, reply: Reply, prog_type: ProgType = KPROBE, **facts: Any) -> Judgement:
    return judge(BY_ID[case_id], prog_type, {**FACTS, **facts}, reply)


def _types_that_differ(case: Case) -> list[ProgType]:
    """Return the types for which the model's answers differ: all that apply, or one of them for a script."""
    applying = [prog_type for prog_type in PROG_TYPES if case.applies(prog_type)]
    return applying[:1] if isinstance(case.experiment, Script) else applying


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_correct_kernel_passes_every_case(case: Case) -> None:
    for prog_type in _types_that_differ(case):
        judgement = judge(case, prog_type, FACTS, answer(case, prog_type))
        verdict = Verdict.PASS if prog_type.offers_helper else Verdict.NOT_ALLOWED
        assert (judgement.verdict, judgement.ok) == (verdict, True), prog_type.name
        assert judgement.expected == judgement.seen


def put(value: object, *path: str | int) -> Callable[[Reply], None]:
    """Return a change that puts `value` at a path of a reply."""

    def falsify(reply: Reply) -> None:
        target: Any = reply
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return falsify


def _with(reply: Reply, value: object, *path: str | int) -> Reply:
    changed = copy.deepcopy(reply)
    put(value, *path)(changed)
    return changed


def twice(*path: str | int) -> Callable[[Reply], None]:
    """Return a change that repeats the list at a path of a reply."""

    def falsify(reply: Reply) -> None:
        target: Any = reply
        for key in path:
            target = target[key]
        target.extend(copy.deepcopy(target))

    return falsify


def flip_last_bit(*path: str | int) -> Callable[[Reply], None]:
    """Return a change that flips one bit of the last record at a path of a reply."""

    def falsify(reply: Reply) -> None:
        target: Any = reply
        for key in path:
            target = target[key]
        target[-1] = target[-1][:-2] + f"{int(target[-1][-2:], 16) ^ 1:02x}"

    return falsify


def out_of_order(reply: Reply) -> None:
    reply["acts"][2]["records"].reverse()


# name of the fault, the case that must fail, the change of the reply; actions are counted from 0
FALSIFICATIONS: list[tuple[str, str, Callable[[Reply], None]]] = [
    ("a record before attach", "ATT-001", put(["00"], "before", "records")),
    ("a program that runs before it is attached", "ATT-001", put(1, "before", "fired")),
    ("a record lost", "ATT-002", put([], "attached", "records")),
    ("a record too many", "ATT-002", twice("attached", "records")),
    ("a record of another type", "ATT-002", put(["02" * 24], "attached", "records")),
    ("a poll that announces nothing", "ATT-002", put(0, "attached", "polled")),
    ("a program that runs twice", "ATT-002", put(2, "attached", "fired")),
    ("a record after detach", "ATT-003", put(["00"], "after", "records")),
    ("a submitted record lost", "CMT-001", put([], "acts", 2, "records")),
    ("a submitted record twice", "CMT-001", twice("acts", 2, "records")),
    ("a submitted record again later", "CMT-001", put(["00"], "acts", 3, "records")),
    ("one wrong bit in the payload", "CMT-001", flip_last_bit("acts", 2, "records")),
    ("a wrong read back", "CMT-001", put("ff" * 64, "acts", 0, "outcomes", 0, "data", 1)),
    (
        "a submit that moves the producer",
        "CMT-001",
        put(9, "acts", 0, "outcomes", 0, "after_release", 0, PRODUCER),
    ),
    (
        "a reservation that takes no room",
        "CMT-001",
        put(0, "acts", 0, "outcomes", 0, "after_reserve", 0, PRODUCER),
    ),
    ("an action that was not done", "CMT-001", put([], "acts")),
    ("a field that the program never wrote", "CMT-001", put([None], "acts", 0, "outcomes", 0, "reserved")),
    ("a header that stays busy", "CMT-001", put(BUSY | 32, "acts", 1, "records", 0, "header")),
    ("a header with a wrong length", "CMT-001", put(31, "acts", 1, "records", 0, "header")),
    ("a raw reader that disagrees", "CMT-001", put(DISCARDED | 32, "acts", 2, "raw", "records", 0, "header")),
    ("a consumer position that stays behind", "CMT-001", put(0, "acts", 2, "consumer")),
    ("a discarded record that arrives", "CMT-002", put(["00"], "acts", 2, "records")),
    ("a discarded record without the bit", "CMT-002", put(32, "acts", 1, "records", 0, "header")),
    ("records out of order", "CMT-003", out_of_order),
    (
        "data that shrinks with a discard",
        "CMT-004",
        put(32, "acts", 0, "outcomes", 0, "after_release", 1, AVAILABLE),
    ),
    ("a second wake-up", "CMT-006", put({"events": 1}, "acts", 3)),
    ("-ENOMEM instead of -EINVAL", "RSV-006", put([-12], "acts", 0, "outcomes", 0, "reserved")),
    ("a size above the ring granted", "RSV-005", put([0, -22, -22], "acts", 0, "outcomes", 1, "reserved")),
    ("-EINVAL instead of -E2BIG", "RSV-009", put([-22], "acts", 0, "outcomes", 0, "reserved")),
    ("flags that are ignored", "RSV-011", put([0], "acts", 1, "outcomes", 0, "reserved")),
    ("a null dynptr that can be written", "RSV-030", put(0, "acts", 0, "outcomes", 0, "accessed", 1)),
    ("a null dynptr that can be read", "RSV-031", put(0, "acts", 0, "outcomes", 1, "accessed", 0)),
    ("a null dynptr with a slice", "RSV-032", put(1, "acts", 0, "outcomes", 2, "accessed", 4)),
    ("a ring that takes one record more", "RSV-014", put(512, "acts", 0, "fill", "granted")),
    ("a null dynptr that submits a record", "RSV-033", put(["00"], "acts", 6, "records")),
    ("a null dynptr that wakes", "RSV-034", put({"events": 1}, "acts", 2)),
    ("a wake-up lost", "WKP-001", put({"events": 0}, "acts", 2)),
    ("a wake-up too many", "WKP-002", put({"events": 1}, "acts", 2)),
    ("a ring that can be written", "WKP-015", put({"in": False, "out": True}, "acts", 0)),
    ("a query off by a header", "QRY-001", put(8, "acts", 0, "outcomes", 0, "accessed", 0)),
    ("a write past the end", "DYN-004", put(0, "acts", 0, "outcomes", 0, "accessed", 0)),
    ("a slice that writes a neighbour", "DYN-016", flip_last_bit("acts", 1, "records")),
    ("a new page with old bytes", "DYN-018", put(["5a" * 64], "acts", 1, "records")),
    (
        "an open record that is not busy",
        "RSV-001",
        put(8, "acts", 0, "meanwhile", 0, 0, "records", 0, "header"),
    ),
    ("a wrong page offset", "RSV-001", put(4, "acts", 0, "meanwhile", 0, 0, "records", 0, "page_offset")),
    ("a pause that nobody watched", "RSV-001", put([], "acts", 0, "meanwhile")),
    ("a pause that ended by itself", "RSV-001", put(0, "acts", 0, "outcomes", 0, "paused")),
    ("an open record that is consumed", "CMT-005", put(["00"], "acts", 0, "meanwhile", 0, 1, "records")),
    (
        "a consumer that steps over an open record",
        "CMT-005",
        put(16, "acts", 0, "meanwhile", 0, 1, "consumer"),
    ),
    (
        "a producer position that user space sees late",
        "CMT-007",
        put(0, "acts", 0, "meanwhile", 0, 0, "producer"),
    ),
    ("room from an open record", "RSV-020", put([0, -12], "acts", 0, "outcomes", 0, "reserved")),
    ("an open record that wakes", "WKP-011", put({"events": 1}, "acts", 1, "meanwhile", 0, 0)),
    (
        "an open record that poll does not see",
        "WKP-011",
        put({"in": False, "out": False}, "acts", 1, "meanwhile", 0, 1),
    ),
    ("a null dynptr that is not null", "RSV-035", put(0, "acts", 0, "outcomes", 0, "accessed", 0)),
    ("a null dynptr with a size", "RSV-037", put(8, "acts", 0, "outcomes", 0, "accessed", 0)),
    ("a null dynptr that is cloned", "RSV-039", put(0, "acts", 0, "outcomes", 0, "cloned")),
    ("a record cut by adjust", "CMT-011", put(8, "acts", 1, "records", 0, "header")),
    ("a record submitted by its clone and again", "CMT-012", twice("acts", 2, "records")),
    ("a live dynptr that is null", "KFN-003", put(1, "acts", 0, "outcomes", 0, "accessed", 1)),
    ("adjusted beyond the end", "KFN-007", put(0, "acts", 0, "outcomes", 0, "accessed", 1)),
    ("a clone that shares its range", "KFN-010", put(8, "acts", 0, "outcomes", 0, "accessed", 5)),
    ("a slice in the buffer", "KFN-012", put(2, "acts", 0, "outcomes", 0, "accessed", 1)),
    ("a slice of other bytes", "KFN-011", put("00" * 64, "acts", 0, "outcomes", 0, "data", 1)),
    ("a slice that does not write", "KFN-016", flip_last_bit("acts", 1, "records")),
    ("a copy that does not copy", "KFN-017", flip_last_bit("acts", 1, "records")),
    ("a kfunc that is not called", "KFN-021", put(-38, "acts", 0, "outcomes", 0, "accessed", 1)),
    ("a ring of three pages", "MAP-002", put(0, "acts", 5, "errno")),
    ("a ring that takes all memory", "MAP-004", put(0, "acts", 0, "errno")),
    ("no ring for anybody", "MAP-001", put(12, "acts", 3, "errno")),
    ("flags that the kernel forgets", "MAP-012", put(0, "acts", 3, "map_flags")),
    ("a ring for nobody", "MAP-011", put(0, "acts", 1, "errno")),
    ("a wrong error for a lookup", "MAP-013", put(22, "acts", 1, "errno")),
    ("data that user space can write", "MAP-032", put(0, "acts", 2, "errno")),
    ("a page behind the end", "MAP-034", put(0, "acts", 1, "errno")),
    ("a producer's page that becomes writable", "MAP-037", put(0, "acts", 4, "errno")),
    ("a ring that can be executed", "MAP-039", put(0, "acts", 2, "errno")),
    ("a frozen ring that can be written", "MAP-040", put(0, "acts", 2, "errno")),
    ("a ring that fills up after all", "OVW-001", put(255, "acts", 0, "fill", "granted")),
    ("an overwrite position inside a record", "OVW-002", put(712, "acts", 2, "overwrite")),
    ("a pending position that stays behind", "OVW-002", put(0, "acts", 2, "pending")),
    ("a survivor that was overwritten", "OVW-003", put("00" * 8, "acts", 2, "records", 0, "payload")),
    ("an overwrite position that is not told", "OVW-004", put(0, "acts", 1, "outcomes", 0, "accessed", 0)),
    ("data that counts what is gone", "OVW-005", put(4800, "acts", 2, "outcomes", 0, "accessed", 0)),
    ("an open record overwritten", "OVW-008", put([0, 0], "acts", 0, "outcomes", 0, "reserved")),
    ("a header where there should be none", "OVW-009", put("10" + "00" * 7, "acts", 1, "at_consumer")),
    ("a wake-up in the middle of a lap", "OVW-011", put({"events": 1}, "acts", 4)),
    ("a discarded record that is delivered", "CON-005", put(["6669727374"], "acts", 2, "records")),
    ("a record a word too late", "CON-006", put(18, "acts", 3, "records", 1, "header")),
    ("a position that starts again", "CON-009", put(4064, "acts", 5, "records", 0, "position")),
    ("a producer that starts again", "CON-009", put(4072, "acts", 5, "producer")),
    ("a record that another reader passed", "CON-012", twice("acts", 3, "records")),
    ("a record that only a wake-up brings", "CON-013", put([], "acts", 1, "records")),
    ("an edge too many", "CON-016", put({"events": 1}, "acts", 5)),
    ("a record on the wrong page", "CON-018", put(3, "acts", 1, "records", 1, "page_offset")),
    ("an example that records nothing", "EXA-001", put([], "records")),
    ("an example that records everything twice", "EXA-001", twice("records")),
    ("a byte of a long record wrong", "EXA-001", flip_last_bit("records")),
    ("more kept than the example keeps", "EXA-002", put("6712000001010000", "records", 3)),
    ("a piece of a record wrong", "EXA-003", flip_last_bit("records")),
    ("a record lost in a flood", "LOD-001", put(1, "streams", 2, "arrived", "submitted")),
    ("another record in its place", "LOD-001", put(1, "streams", 2, "arrived", "fingerprint")),
    ("a call without an outcome", "LOD-001", put(1, "streams", 1, "counted", "full")),
    ("a call with a wrong error", "LOD-001", put(1, "streams", 0, "counted", "wrong")),
    ("a CPU that did nothing", "LOD-001", put(0, "streams", 3, "counted", "submitted")),
    ("a flood that was none", "LOD-001", put([], "streams")),
    ("a record out of order in a flood", "LOD-001", put(1, "wrong", "order")),
    ("a wrong checksum in a flood", "LOD-001", put(1, "wrong", "checksums")),
    ("records left in the ring", "LOD-001", put(0, "positions", "consumer")),
    ("a discarded record too many in a flood", "LOD-001", put(1, "discarded")),
    ("a consumer that never stalled", "LOD-002", put(2, "interruptions")),
    ("nothing read again", "LOD-003", put(0, "read_again", 1, "bytes")),
    ("more read again than was saved", "LOD-003", put(264, "read_again", 1, "bytes")),
    ("bytes used again before they were given back", "LOD-003", put(None, "read_again", 0, "same")),
    ("a leak that is accepted", "VER-001", put({"accepted": True}, "functions", "ver_001")),
    ("a leak refused with another errno", "VER-001", put(13, "functions", "ver_001", "errno")),
    ("a leak refused for another reason", "VER-004", put("R0 !read_ok\n", "functions", "ver_004", "log")),
    (
        "a right program refused",
        "VER-004",
        put({"accepted": False, "errno": 22, "log": LEAK}, "functions", "ver_004_accepted"),
    ),
    ("a program that was not tried", "VER-001", put({}, "functions")),
]


def _null_size_of_32_bits(reply: Reply) -> None:
    for outcome in reply["acts"][0]["outcomes"]:
        outcome["accessed"][0] = (1 << 32) - 22


def _room_from_an_open_record(reply: Reply) -> None:
    held, after, consumed = reply["acts"]
    held["outcomes"][0]["reserved"][1] = 0
    later = [held["outcomes"][0]["after_reserve"][1], *held["outcomes"][0]["after_release"]]
    _available, _consumer, began = held["outcomes"][0]["start"]
    later = [[2008, began + 3008, began + 5016] for _ in later]
    held["outcomes"][0]["after_reserve"][1] = later[0]
    held["outcomes"][0]["after_release"] = later[1:]
    position = [4016, began + 3008, began + 7024]
    after["outcomes"][0] |= {"start": later[0], "after_reserve": [position], "after_release": [position] * 3}
    record = consumed["raw"]["records"][0]
    consumed["raw"]["records"].append({**record, "position": record["position"] + 2008})
    consumed["records"] *= 2
    consumed["consumer"] = began + 7024


# observations on older kernels, by case
OLDER: dict[str, Callable[[Reply], None]] = {
    "RSV-037": _null_size_of_32_bits,
    "KFN-004": put(1, "acts", 0, "outcomes", 0, "accessed", 1),
    "RSV-020": _room_from_an_open_record,
}


@pytest.mark.parametrize(
    ("case_id", "falsify"), [row[1:] for row in FALSIFICATIONS], ids=[row[0] for row in FALSIFICATIONS]
)
def test_a_falsified_observation_fails_its_case(case_id: str, falsify: Callable[[Reply], None]) -> None:
    reply = answer(BY_ID[case_id], KPROBE)
    falsify(reply)
    judgement = judged(case_id, reply)
    assert (judgement.verdict, judgement.ok) == (Verdict.FAIL, False)
    assert judgement.expected != judgement.seen


@pytest.mark.parametrize("case", SCRIPTS, ids=lambda case: case.id)
def test_a_silent_agent_fails_every_script(case: Case) -> None:
    reply = answer(case, KPROBE)
    for act in reply["acts"]:
        act.pop("outcomes", None)
    assert judged(case.id, {"loader": "bcc", "acts": []}).verdict is Verdict.FAIL


@pytest.mark.parametrize("case", SCRIPTS, ids=lambda case: case.id)
def test_a_wrong_number_anywhere_in_what_is_judged_fails_the_case(case: Case) -> None:
    """At least one number of each action is judged: of all changes to one number, some must fail."""
    acts = case.request(KPROBE)["acts"]
    for number, act in enumerate(acts):
        sound = answer(case, KPROBE)
        if act["act"] not in {"ring", "seek", "watch"}:
            assert any(
                not judged(case.id, _with(sound, 12345, "acts", number, *path)).ok
                for path in reversed(list(_numbers(sound["acts"][number])))
            ), f"act {number}: {act}"


@pytest.mark.parametrize("phase", ["before", "attached", "after"])
@pytest.mark.parametrize("name", [each.name for each in PROG_TYPES if each.event_sees])
def test_an_event_that_saw_something_else_fails(name: str, phase: str) -> None:
    case_id = {"before": "ATT-001", "attached": "ATT-002", "after": "ATT-003"}[phase]
    reply = answer(BY_ID[case_id], TYPES[name])
    reply[phase]["event"] = dict.fromkeys(reply[phase]["event"], "something else")
    assert judged(case_id, reply, TYPES[name]).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("case_id", "path"),
    [
        ("ATT-002", ("attached", "fired")),
        ("CMT-001", ("acts", 0, "fired")),
        ("RSV-005", ("acts", 0, "fired")),
    ],
    ids=["phases", "one step", "none of several steps"],
)
def test_a_program_that_never_ran_is_told_apart(case_id: str, path: tuple[str, ...]) -> None:
    reply = answer(BY_ID[case_id], KPROBE)
    put(0, *path)(reply)
    assert judged(case_id, reply).verdict is Verdict.NOT_FIRED


def test_a_program_that_ran_for_one_step_of_several_is_told_apart() -> None:
    reply = answer(BY_ID["RSV-005"], KPROBE)
    first, *others = reply["acts"][0]["outcomes"]
    reply["acts"][0] |= {"fired": 1, "outcomes": [first, *map(_unwritten, others)]}
    judgement = judged("RSV-005", reply)
    assert judgement.verdict is Verdict.NOT_FIRED
    assert "the program ran: 1" in judgement.seen


@pytest.mark.parametrize("case_id", ["CMT-001", "WKP-002", "RSV-001"])
def test_a_program_that_never_ran_wrote_no_outcome(case_id: str) -> None:
    reply = answer(BY_ID[case_id], KPROBE)
    for act in reply["acts"]:
        if "fired" in act:
            act.update(fired=0, outcomes=[_unwritten(outcome) for outcome in act["outcomes"]])
    assert judged(case_id, reply).verdict is Verdict.NOT_FIRED


def _unwritten(value: Any) -> Any:
    """Return the value with None for every number."""
    if isinstance(value, dict):
        return {name: _unwritten(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_unwritten(each) for each in value]
    return None if isinstance(value, int) else value


NO_HELPER = "0: (b7) r3 = 0\n5: (85) call unknown#198\ninvalid func unknown#198\n"
REFUSALS = [
    ("absent before 5.19 is as expected", "5.10.0-46-cloud-amd64", 22, NO_HELPER, Verdict.ABSENT, True),
    ("absent from 5.19 on is not", "5.19.0", 22, NO_HELPER, Verdict.ABSENT, False),
    ("absent from a new kernel is not", "7.3.4", 22, NO_HELPER, Verdict.ABSENT, False),
    (
        "refused for the type (old words)",
        "6.1.0",
        22,
        "unknown func bpf_ringbuf_reserve_dynptr#198\n",
        Verdict.NOT_ALLOWED,
        False,
    ),
    (
        "refused for the type (new words)",
        "6.12.0",
        22,
        "program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198\n",
        Verdict.NOT_ALLOWED,
        False,
    ),
    ("refused for another reason", "6.12.0", 13, "R0 !read_ok\n", Verdict.REJECTED, False),
    ("refused without a word", "6.12.0", 1, "", Verdict.REJECTED, False),
    (
        "another unknown helper is not this one",
        "5.10.0",
        22,
        "invalid func unknown#1980\n",
        Verdict.REJECTED,
        False,
    ),
]


@pytest.mark.parametrize(
    ("release", "errno", "log", "verdict", "ok"),
    [row[1:] for row in REFUSALS],
    ids=[row[0] for row in REFUSALS],
)
def test_a_refused_program_is_judged_by_the_verifier_s_words(
    release: str, errno: int, log: str, verdict: Verdict, ok: bool
) -> None:
    judgement = judged("CMT-001", {"refused": {"errno": errno, "log": log}}, release=release)
    assert (judgement.verdict, judgement.ok) == (verdict, ok)
    assert (judgement.log or "") == log


@pytest.mark.parametrize(
    ("name", "release", "ok", "reason"),
    [
        ("SYSCALL", "5.10.0", True, "the type came with 5.14"),
        ("SYSCALL", "5.15.0", False, None),
        ("NETFILTER", "6.1.0", True, "the type came with 6.4"),
        ("NETFILTER", "6.12.0", True, "built without CONFIG_NETFILTER_BPF_LINK"),
        ("LIRC_MODE2", "7.3.4", True, "built without CONFIG_BPF_LIRC_MODE2"),
        ("KPROBE", "7.3.4", False, None),
    ],
)
def test_a_type_of_which_every_program_is_refused_is_absent(
    name: str, release: str, reason: str | None, *, ok: bool
) -> None:
    case_id = f"AVL-{TYPES[name].number:03}"
    judgement = judged(case_id, {"no_type": True}, TYPES[name], release=release)
    assert (judgement.verdict, judgement.ok) == (Verdict.ABSENT, ok)
    assert "one that does nothing is refused, too" in judgement.seen
    assert (judgement.reason or "").endswith(reason or "")


@pytest.mark.parametrize(
    ("name", "facts", "ok"),
    [
        ("CGROUP_SKB", {}, False),  # its configuration is unknown
        ("CGROUP_SKB", {"options_unset": ["CONFIG_CGROUP_BPF"]}, True),
        ("CGROUP_SKB", {"options_unset": ["CONFIG_BPF_EVENTS"]}, False),
        ("LSM", {"options_set": ["CONFIG_BPF_LSM"], "options_unset": ["CONFIG_CGROUP_BPF"]}, False),
    ],
)
def test_a_type_is_absent_only_if_the_kernel_is_known_to_lack_its_option(
    name: str, facts: dict[str, Any], ok: bool
) -> None:
    judgement = judged(f"AVL-{TYPES[name].number:03}", {"no_type": True}, TYPES[name], **facts)
    assert (judgement.verdict, judgement.ok) == (Verdict.ABSENT, ok)
    assert "built without CONFIG_CGROUP_BPF" in (judgement.reason or "") or not ok


def test_a_way_to_attach_that_the_kernel_is_built_with_is_not_excused() -> None:
    for options, verdict in (((), Verdict.ABSENT), (("CONFIG_FPROBE",), Verdict.FAIL)):
        judgement = judged("ATT-002", NOT_SUPPORTED, TYPES["KPROBE/multi"], options_set=options)
        assert judgement.verdict is verdict


NOT_SUPPORTED = {"attach_failed": {"errno": 95, "what": "make a link: Operation not supported"}}
REFUSED = {"refused": {"errno": 22, "log": "bpf_fentry_test1 is not sleepable\n"}}


@pytest.mark.parametrize(
    ("name", "release", "reply", "verdict"),
    [
        ("SCHED_CLS/tcx", "6.1.0", REFUSED, Verdict.ABSENT),
        ("SCHED_CLS/tcx", "6.1.0", NOT_SUPPORTED, Verdict.ABSENT),
        ("SCHED_CLS/tcx", "6.6.0", NOT_SUPPORTED, Verdict.FAIL),
        ("TRACING/sleepable", "6.1.0", REFUSED, Verdict.ABSENT),
        ("TRACING/sleepable", "6.12.0", REFUSED, Verdict.REJECTED),
        ("KPROBE/multi", "6.1.0", NOT_SUPPORTED, Verdict.ABSENT),
        ("KPROBE/multi", "6.1.0", {"attach_failed": {"errno": 22, "what": "make a link"}}, Verdict.FAIL),
        ("KPROBE", "6.1.0", NOT_SUPPORTED, Verdict.FAIL),
    ],
)
def test_a_way_to_attach_is_absent_before_it_came_and_where_the_kernel_is_built_without(
    name: str, release: str, reply: Reply, verdict: Verdict
) -> None:
    judgement = judged("ATT-002", reply, TYPES[name], release=release)
    assert (judgement.verdict, judgement.ok) == (verdict, verdict is Verdict.ABSENT)


def test_an_answer_of_a_kernel_that_should_not_know_the_way_is_judged_all_the_same() -> None:
    reply = answer(BY_ID["ATT-002"], TYPES["SCHED_CLS/tcx"])
    assert judged("ATT-002", reply, TYPES["SCHED_CLS/tcx"], release="6.1.0").verdict is Verdict.PASS


def test_a_refusal_without_a_word_is_never_taken_for_an_absent_type() -> None:
    reply = {"refused": {"errno": 22, "log": ""}}
    assert judged("CMT-001", reply, TYPES["SYSCALL"], release="5.13.0").verdict is Verdict.REJECTED


@pytest.mark.parametrize(
    ("log", "verdict", "ok"),
    [
        (
            "program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198\n",
            Verdict.NOT_ALLOWED,
            True,
        ),
        ("unknown func bpf_ringbuf_reserve_dynptr#198\n", Verdict.NOT_ALLOWED, True),
        ("R0 !read_ok\n", Verdict.REJECTED, False),
        ("", Verdict.REJECTED, False),
    ],
)
def test_a_type_that_does_not_offer_the_helper_must_refuse_it_in_so_many_words(
    log: str, verdict: Verdict, *, ok: bool
) -> None:
    judgement = judged("AVL-020", {"refused": {"errno": 22, "log": log}}, TYPES["LIRC_MODE2"])
    assert (judgement.verdict, judgement.ok) == (verdict, ok)


def test_a_type_that_should_not_offer_the_helper_and_does_fails() -> None:
    reply = {"attach_failed": {"errno": 19, "what": "attach to an infrared receiver: there is none"}}
    assert judged("AVL-020", reply, TYPES["LIRC_MODE2"]).verdict is Verdict.FAIL


def test_a_leak_case_on_a_kernel_without_the_helper_is_absent_and_no_pass() -> None:
    refused = {"accepted": False, "errno": 22, "log": NO_HELPER}
    reply = {"functions": {"ver_001": refused, "ver_001_accepted": refused}}
    assert judged("VER-001", reply, release="5.10.0").verdict is Verdict.ABSENT


@pytest.mark.parametrize(
    ("release", "ok"), [("6.1.0", True), ("6.14.9", True), ("6.15.0", False), ("7.3.4", False)]
)
def test_a_missing_kfunc_is_as_expected_only_before_it_was_made(release: str, *, ok: bool) -> None:
    had = [name for name in FACTS["kfuncs"] if name != "bpf_dynptr_copy"]
    judgement = judged("KFN-017", answer(BY_ID["KFN-017"], KPROBE), release=release, kfuncs=had)
    assert (judgement.verdict, judgement.ok) == (Verdict.ABSENT, ok)
    assert "bpf_dynptr_copy" in judgement.seen


@pytest.mark.parametrize(
    ("unset", "verdict"),
    [("CONFIG_BPF_LSM", Verdict.ABSENT), ("CONFIG_CGROUP_BPF", Verdict.FAIL), ("", Verdict.FAIL)],
)
def test_a_case_with_programs_of_another_type_is_absent_only_without_its_option(
    unset: str, verdict: Verdict
) -> None:
    refusal = {"accepted": False, "errno": 3, "log": "failed to prepare load attributes: -3"}
    names = answer(BY_ID["KFN-028"], RAW_TRACEPOINT)["functions"]
    reply = {"loader": "libbpf", "functions": dict.fromkeys(names, refusal)}
    judgement = judged("KFN-028", reply, RAW_TRACEPOINT, options_unset=[unset])
    assert judgement.verdict is verdict
    assert unset in (judgement.reason or "") or verdict is Verdict.FAIL


def test_a_missing_kfunc_that_a_case_does_not_call_is_nothing_to_it() -> None:
    reply = answer(BY_ID["KFN-001"], KPROBE)
    assert judged("KFN-001", reply, kfuncs=["bpf_dynptr_size"]).verdict is Verdict.PASS


@pytest.mark.parametrize(("release", "verdict"), [("5.10.0", Verdict.ABSENT), ("6.12.0", Verdict.REJECTED)])
def test_a_program_refused_for_another_reason_by_a_kernel_without_the_helper_is_absent(
    release: str, verdict: Verdict
) -> None:
    reply = {"refused": {"errno": 22, "log": "unrecognized bpf_ld_imm64 insn\n"}}
    helper = release != "5.10.0"
    assert judged("RSV-001", reply, release=release, has_helper=helper).verdict is verdict


@pytest.mark.parametrize(
    ("case_id", "release", "verdict"),
    [
        ("RSV-037", "6.18.9", Verdict.EXPECTED_DIFFERENCE),
        ("RSV-037", "6.19.0", Verdict.FAIL),
        ("KFN-004", "7.3.4", Verdict.KNOWN_DEFECT),
        ("RSV-020", "6.9.0", Verdict.KNOWN_DEFECT),
        ("RSV-020", "6.10.0", Verdict.FAIL),
    ],
)
def test_what_older_kernels_show_counts_for_them_only(case_id: str, release: str, verdict: Verdict) -> None:
    reply = answer(BY_ID[case_id], KPROBE)
    OLDER[case_id](reply)
    assert judged(case_id, reply, release=release).verdict is verdict


def test_a_program_that_cannot_be_attached_fails_with_the_reason() -> None:
    reply = {"attach_failed": {"errno": 16, "what": "attach to the sockmap: Device or resource busy"}}
    judgement = judged("CMT-001", reply)
    assert judgement.verdict is Verdict.FAIL
    assert "sockmap" in judgement.seen


@pytest.mark.parametrize(
    ("release", "ok"), [("6.1.0", True), ("6.18.9", True), ("6.19.0", False), ("7.3.4", False)]
)
def test_a_kernel_that_makes_no_overwriting_ring_is_as_expected_only_before_there_were_any(
    release: str, *, ok: bool
) -> None:
    judgement = judged("OVW-001", {"no_ring": 22}, release=release, overwriting_rings=False)
    assert (judgement.verdict, judgement.ok) == (Verdict.ABSENT, ok)


def test_an_overwriting_ring_that_is_refused_though_the_kernel_makes_them_fails() -> None:
    judgement = judged("OVW-001", {"no_ring": 12})
    assert judgement.verdict is Verdict.FAIL
    assert "-12" in judgement.seen


@pytest.mark.parametrize("case_id", ["MAP-008", "MAP-016"])
@pytest.mark.parametrize(
    ("release", "verdict"), [("6.18.9", Verdict.EXPECTED_DIFFERENCE), ("6.19.0", Verdict.FAIL)]
)
def test_overwriting_rings_are_refused_by_older_kernels_only(
    case_id: str, release: str, verdict: Verdict
) -> None:
    reply = answer(BY_ID[case_id], KPROBE)
    reply["acts"][-2:] = [{"errno": 22}, {"errno": None}]
    assert judged(case_id, reply, release=release).verdict is verdict


@pytest.mark.parametrize(
    ("release", "verdict"), [("6.15.0", Verdict.EXPECTED_DIFFERENCE), ("6.16.0", Verdict.FAIL)]
)
def test_a_ring_can_be_executed_on_older_kernels_only(release: str, verdict: Verdict) -> None:
    reply = answer(BY_ID["MAP-039"], KPROBE)
    reply["acts"][1:] = [{"errno": 0}, {"errno": 0}]
    assert judged("MAP-039", reply, release=release).verdict is verdict


def test_only_a_type_that_a_perf_event_can_interrupt_must_have_been_interrupted() -> None:
    for name, verdict in (("SYSCALL", Verdict.FAIL), ("TRACEPOINT", Verdict.PASS)):
        reply = answer(BY_ID["LOD-001"], TYPES[name])
        for stream in reply["streams"]:
            stream["counted"]["amid"] = 0
        assert judged("LOD-001", reply, TYPES[name]).verdict is verdict


SPLAT = "WARNING: CPU: 0 PID: 1 at kernel/bpf/verifier.c:1 check+0x1/0x2"
KNOWN = Splat("kernel/bpf/verifier.c", "a commit", since=(6, 12), before=(6, 16))


@pytest.mark.parametrize(
    ("splats", "known", "verdict"),
    [
        ([], (KNOWN,), Verdict.PASS),
        ([SPLAT], (), Verdict.FAIL),
        ([SPLAT], (KNOWN,), Verdict.KNOWN_DEFECT),
        ([SPLAT, "BUG: another"], (KNOWN,), Verdict.FAIL),
        ([SPLAT], (replace(KNOWN, text="kernel/bpf/ringbuf.c"),), Verdict.FAIL),
        ([SPLAT], (replace(KNOWN, since=(6, 13)),), Verdict.FAIL),
        ([SPLAT], (replace(KNOWN, before=(6, 12)),), Verdict.FAIL),
    ],
)
def test_a_kernel_that_complains_about_itself_fails_unless_that_is_known(
    splats: list[str], known: tuple[Splat, ...], verdict: Verdict
) -> None:
    case = replace(CASES[0], splats=known)
    reply = {**answer(CASES[0], PROG_TYPES[0]), "splats": splats}
    judgement = judge(case, PROG_TYPES[0], {**FACTS, "release": "6.12.1"}, reply)
    assert (judgement.verdict, judgement.ok) == (verdict, verdict is not Verdict.FAIL)
    assert (judgement.reason == "a commit") == (verdict is Verdict.KNOWN_DEFECT)


def test_a_known_complaint_makes_no_wrong_answer_right() -> None:
    case = replace(CASES[0], splats=(KNOWN,))
    reply = {"refused": {"errno": 22, "log": ""}, "splats": [SPLAT]}
    judgement = judge(case, PROG_TYPES[0], {**FACTS, "release": "6.12.1"}, reply)
    assert (judgement.verdict, judgement.ok) == (Verdict.REJECTED, False)
