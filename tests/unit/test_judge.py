"""Every way in which a kernel or the harness can be wrong turns the right cells red, and no others."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from harness.conformance.catalogue import CASES, PROG_TYPES
from harness.conformance.judge import judge, version_of
from harness.conformance.script import Script
from harness.conformance.verdicts import Verdict
from tests.unit.kernel_model import BUSY, DISCARDED, FACTS, LEAK, KernelModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.conformance.case import Case
    from harness.conformance.judge import Judgement
    from harness.conformance.prog_types import ProgType

Reply = dict[str, Any]

BY_ID = {case.id: case for case in CASES}
TYPES = {prog_type.name: prog_type for prog_type in PROG_TYPES}
KPROBE = TYPES["KPROBE"]


SCRIPTS = [case for case in CASES if isinstance(case.experiment, Script)]


def _numbers(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where the numbers are in a reply."""
    if isinstance(value, int):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _numbers(inner, (*path, key))


def answer(case: Case, prog_type: ProgType) -> Reply:
    return KernelModel().answer(case.request(prog_type))


def judged(case_id: str, reply: Reply, prog_type: ProgType = KPROBE, **facts: Any) -> Judgement:
    return judge(BY_ID[case_id], prog_type, {**FACTS, **facts}, reply)


@pytest.mark.parametrize("prog_type", PROG_TYPES, ids=lambda prog_type: prog_type.name)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_faultless_kernel_passes_every_case(case: Case, prog_type: ProgType) -> None:
    judgement = judge(case, prog_type, FACTS, answer(case, prog_type))
    assert (judgement.verdict, judgement.ok) == (Verdict.PASS, True)
    assert judgement.expected == judgement.seen


def put(value: object, *path: str | int) -> Callable[[Reply], None]:
    """A falsification that puts `value` where `path` leads."""

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
    """A falsification that repeats the list where `path` leads."""

    def falsify(reply: Reply) -> None:
        target: Any = reply
        for key in path:
            target = target[key]
        target.extend(copy.deepcopy(target))

    return falsify


def flip_last_bit(*path: str | int) -> Callable[[Reply], None]:
    """A falsification that flips one bit of the last record where `path` leads."""

    def falsify(reply: Reply) -> None:
        target: Any = reply
        for key in path:
            target = target[key]
        target[-1] = target[-1][:-2] + f"{int(target[-1][-2:], 16) ^ 1:02x}"

    return falsify


def out_of_order(reply: Reply) -> None:
    reply["acts"][2]["records"].reverse()


# what is wrong, the case that must notice, how to make it so; acts are counted from 0
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
        put(9, "acts", 0, "outcomes", 0, "after_release", 0, "producer"),
    ),
    (
        "a reservation that takes no room",
        "CMT-001",
        put(0, "acts", 0, "outcomes", 0, "after_reserve", 0, "producer"),
    ),
    ("an act that was not done", "CMT-001", put([], "acts")),
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
        put(32, "acts", 0, "outcomes", 0, "after_release", 1, "available"),
    ),
    ("a second wake-up", "CMT-006", put({"events": 1}, "acts", 3)),
    ("-ENOMEM instead of -EINVAL", "RSV-006", put([-12], "acts", 0, "outcomes", 0, "reserved")),
    ("a size above the ring granted", "RSV-005", put([0, -22, -22], "acts", 0, "outcomes", 1, "reserved")),
    ("-EINVAL instead of -E2BIG", "RSV-009", put([-22], "acts", 0, "outcomes", 0, "reserved")),
    ("flags that are ignored", "RSV-011", put([0], "acts", 1, "outcomes", 0, "reserved")),
    ("a null dynptr that can be written", "RSV-030", put(0, "acts", 0, "outcomes", 0, "accessed", 1)),
    ("a null dynptr that can be read", "RSV-031", put(0, "acts", 0, "outcomes", 1, "accessed", 0)),
    ("a null dynptr with a slice", "RSV-032", put(1, "acts", 0, "outcomes", 2, "accessed", 4)),
    ("a ring that takes one record more", "RSV-014", put(512, "acts", 1, "fill", "granted")),
    ("a null dynptr that submits a record", "RSV-033", put(["00"], "acts", 6, "records")),
    ("a null dynptr that wakes", "RSV-034", put({"events": 1}, "acts", 2)),
    ("a wake-up lost", "WKP-001", put({"events": 0}, "acts", 3)),
    ("a wake-up too many", "WKP-002", put({"events": 1}, "acts", 3)),
    ("a ring that can be written", "WKP-015", put({"in": False, "out": True}, "acts", 0)),
    ("a query off by a header", "QRY-001", put(8, "acts", 0, "outcomes", 0, "accessed", 0)),
    ("a write past the end", "DYN-004", put(0, "acts", 0, "outcomes", 0, "accessed", 0)),
    ("a slice that writes a neighbour", "DYN-016", flip_last_bit("acts", 1, "records")),
    ("a new page with old bytes", "DYN-018", put(["5a" * 64], "acts", 1, "records")),
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
    """Of each act at least one number is judged: change them all in turn, and some change must be noticed."""
    acts = case.request(KPROBE)["acts"]
    for number, act in enumerate(acts):
        sound = answer(case, KPROBE)
        if act["act"] not in {"ring", "seek", "watch"}:
            assert any(
                not judged(case.id, _with(sound, 12345, "acts", number, *path)).ok
                for path in reversed(list(_numbers(sound["acts"][number])))
            ), f"act {number}: {act}"


@pytest.mark.parametrize("phase", ["before", "attached", "after"])
@pytest.mark.parametrize("name", ["RAW_TRACEPOINT_WRITABLE", "SK_MSG", "SYSCALL"])
def test_an_event_that_saw_something_else_fails(name: str, phase: str) -> None:
    case_id = {"before": "ATT-001", "attached": "ATT-002", "after": "ATT-003"}[phase]
    reply = answer(BY_ID[case_id], TYPES[name])
    reply[phase]["event"] = dict.fromkeys(reply[phase]["event"], "something else")
    assert judged(case_id, reply, TYPES[name]).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("case_id", "path"),
    [("ATT-002", ("attached", "fired")), ("CMT-001", ("acts", 0, "fired"))],
    ids=["phases", "steps"],
)
def test_a_program_that_never_ran_is_told_apart(case_id: str, path: tuple[str, ...]) -> None:
    reply = answer(BY_ID[case_id], KPROBE)
    put(0, *path)(reply)
    assert judged(case_id, reply).verdict is Verdict.NOT_FIRED


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


@pytest.mark.parametrize(("release", "verdict"), [("5.10.0", Verdict.ABSENT), ("5.15.0", Verdict.REJECTED)])
def test_a_type_newer_than_the_kernel_is_refused_without_a_log(release: str, verdict: Verdict) -> None:
    reply = {"refused": {"errno": 22, "log": ""}}
    assert judged("CMT-001", reply, TYPES["SYSCALL"], release=release).verdict is verdict


def test_a_leak_case_on_a_kernel_without_the_helper_is_absent_and_no_pass() -> None:
    refused = {"accepted": False, "errno": 22, "log": NO_HELPER}
    reply = {"functions": {"ver_001": refused, "ver_001_accepted": refused}}
    assert judged("VER-001", reply, release="5.10.0").verdict is Verdict.ABSENT


def test_a_program_that_cannot_be_attached_fails_with_the_reason() -> None:
    reply = {"attach_failed": {"errno": 16, "what": "attach to the sockmap: Device or resource busy"}}
    judgement = judged("CMT-001", reply)
    assert judgement.verdict is Verdict.FAIL
    assert "sockmap" in judgement.seen


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.12.117+deb13-cloud-amd64", (6, 12)), ("5.19-rc1", (5, 19)), ("7.3.4", (7, 3))],
)
def test_the_version_is_read_from_the_release(release: str, version: tuple[int, int]) -> None:
    assert version_of(release) == version


def test_a_release_without_a_version_is_an_error() -> None:
    with pytest.raises(ValueError, match="vanilla"):
        version_of("vanilla")
