"""Who refuses a program and why, on the oldest and the newest kernel that have the helper."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.commands.user_program import UserProgram
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.refusal import Refuser, refusal
from dynptr_harness.vm.launcher import Machines, Options

from tests.record_refusals import answers
from tests.refusals.expected import EXPECTED, reason_on

if TYPE_CHECKING:
    from pathlib import Path

    from dynptr_harness.core.settings import Settings
    from dynptr_harness.kernels.model import Kernel
    from dynptr_harness.vm.machine import Machine

pytestmark = pytest.mark.vm

SLOW = "too_complex.bpf.c:too_complex"  # a minute in an emulated guest
DEADLINE_S = 120.0
ATTACH = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
SEC("kprobe/frobnicate") int on_nothing(void *ctx) { return 0; }
"""


@dataclass
class Answers:
    """What one kernel answered: to all loads by file and function, and to an attach."""

    series: str
    loads: dict[str, dict[str, Any]]
    attach: dict[str, Any]


async def load_and_attach(machine: Machine, kernel: Kernel, attach: Path) -> Answers:
    loads = await answers(machine, kernel, leave_out={SLOW.partition(":")[0]})
    given = await UserProgram.read(attach).give_to(machine)
    loaded = await machine.ask(given.request("on_nothing", None), DEADLINE_S)
    request = {"kind": "own", "do": "attach", "program": loaded["program"]}
    return Answers(kernel.series, loads, await machine.ask(request, DEADLINE_S))


@pytest.fixture(scope="module", params=["6.1", "newest"])
def found(
    request: pytest.FixtureRequest, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    attach = tmp_path_factory.mktemp("attach") / "attach.bpf.c"
    attach.write_text(ATTACH)
    machines = Machines([request.param], Options(), settings=settings, progress=Silent())
    (subject,) = machines.subjects
    return machines.visit(subject, partial(load_and_attach, kernel=subject.kernel, attach=attach))


@pytest.mark.parametrize("program", [name for name in EXPECTED if name != SLOW])
def test_a_program_is_refused_by_its_refuser_for_its_reason(found: Answers, program: str) -> None:
    want = reason_on(program, found.series)
    reply = found.loads[program]
    if want is None:
        assert reply == {"accepted": True}
        return
    why = refusal(reply["refused"])
    assert (why.by.value, errno.errorcode[why.errno], why.reason) == want


def test_an_attach_that_fails_has_the_words_of_libbpf(found: Answers) -> None:
    why = refusal(found.attach["attach_failed"], Refuser.ATTACH)
    assert (why.by, why.errno) == (Refuser.ATTACH, errno.ENOENT)
    assert why.reason.startswith(
        "libbpf: prog 'on_nothing': failed to create kprobe 'frobnicate+0x0' perf event"
    )
