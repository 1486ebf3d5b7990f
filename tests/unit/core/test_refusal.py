"""Refusers and reasons, from the recorded output of real kernels and libbpf."""

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


def test_three_series_are_recorded() -> None:
    assert SERIES == ["6.1", "6.12", "7.3"], "run `python -m tests.record_refusals SERIES...`"


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("program", EXPECTED)
def test_a_recorded_refusal_has_the_expected_refuser_and_reason(program: str, series: str) -> None:
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


def test_a_load_without_messages_was_refused_by_the_kernel() -> None:
    found = refusal({"errno": errno.EPERM, "log": "", "messages": []})
    assert (found.by, found.reason) == (Refuser.KERNEL, os.strerror(errno.EPERM))


def test_the_reason_of_a_failed_attach_is_the_message_of_libbpf() -> None:
    lines = ["libbpf: prog 'f': failed to create kprobe 'x+0x0' perf event: No such file or directory"]
    found = refusal({"errno": errno.ENOENT, "log": "", "messages": lines}, Refuser.ATTACH)
    assert (found.by, found.reason) == (Refuser.ATTACH, lines[0])


def test_a_log_without_a_reason_gives_the_text_of_the_errno() -> None:
    assert reason_in("0: R1=ctx() R10=fp0\nprocessed 1 insns\n", errno.EINVAL) == os.strerror(errno.EINVAL)
