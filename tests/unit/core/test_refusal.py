"""Who refuses a program and why, in the words that real kernels and libbpf were recorded with."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.core.refusal import Refuser, refusal
from dynptr_harness.core.verifier_log import reason_in

from tests.record_refusals import RECORDS
from tests.refusals.expected import EXPECTED, reason_on, version

if TYPE_CHECKING:
    from pathlib import Path

SERIES = sorted((path.stem for path in RECORDS.glob("*.json")), key=version)


def recorded(series: str) -> dict[str, dict[str, Any]]:
    path: Path = RECORDS / f"{series}.json"
    answers: dict[str, dict[str, Any]] = json.loads(path.read_text())["answers"]
    return answers


def test_the_oldest_and_the_newest_kernel_and_one_between_are_recorded() -> None:
    assert SERIES == ["6.1", "6.12", "7.3"], "run `python -m tests.record_refusals SERIES...`"


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("program", EXPECTED)
def test_a_recorded_refusal_has_its_refuser_and_the_line_that_states_the_problem(
    program: str, series: str
) -> None:
    reply = recorded(series)[program]
    want = reason_on(program, series)
    if want is None:
        assert reply == {"accepted": True}
        return
    found = refusal(reply["refused"])
    assert (found.by.value, errno.errorcode[found.errno], found.reason) == want


@pytest.mark.parametrize("series", SERIES)
def test_every_recorded_program_has_an_expected_reason(series: str) -> None:
    assert set(recorded(series)) == set(EXPECTED)


def test_a_load_without_any_words_was_refused_by_the_kernel() -> None:
    found = refusal({"errno": errno.EPERM, "log": "", "messages": []})
    assert (found.by, found.reason) == (Refuser.KERNEL, os.strerror(errno.EPERM))


def test_a_failed_attach_has_the_words_of_libbpf() -> None:
    lines = ["libbpf: prog 'f': failed to create kprobe 'x+0x0' perf event: No such file or directory"]
    found = refusal({"errno": errno.ENOENT, "log": "", "messages": lines}, Refuser.ATTACH)
    assert (found.by, found.reason) == (Refuser.ATTACH, lines[0])


def test_a_log_without_a_telling_line_leaves_the_error_number() -> None:
    assert reason_in("0: R1=ctx() R10=fp0\nprocessed 1 insns\n", errno.EINVAL) == os.strerror(errno.EINVAL)
