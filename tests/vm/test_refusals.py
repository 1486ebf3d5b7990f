"""Refusers and reasons, on the oldest and the newest kernel with the helper."""

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
WEAK_KFUNC = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
extern int bpf_dynptr_frobnicate(void *dynptr) __ksym __weak;
SEC("raw_tp/sys_enter") int calls_it(void *ctx) { return bpf_dynptr_frobnicate(ctx) & 1; }
"""
ATTACH = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
SEC("kprobe/frobnicate") int on_nothing(void *ctx) { return 0; }
"""


@dataclass
class Answers:
    """The answers of one kernel: loads by file and function, an attach, and a weak kfunc by type."""

    series: str
    loads: dict[str, dict[str, Any]]
    attach: dict[str, Any]
    weak_kfunc: dict[str | None, dict[str, Any]]


async def load_and_attach(machine: Machine, kernel: Kernel, directory: Path) -> Answers:
    loads = await answers(machine, kernel, leave_out={SLOW.partition(":")[0]})
    weak_kfunc, attach = directory / "weak_kfunc.bpf.c", directory / "attach.bpf.c"
    weak_kfunc.write_text(WEAK_KFUNC)
    attach.write_text(ATTACH)
    given = await UserProgram.read(weak_kfunc).give_to(machine)
    by_type = {
        name: await machine.ask(given.request("calls_it", name), DEADLINE_S)
        for name in (None, "RAW_TRACEPOINT")
    }
    given = await UserProgram.read(attach).give_to(machine)
    loaded = await machine.ask(given.request("on_nothing", None), DEADLINE_S)
    request = {"kind": "own", "do": "attach", "program": loaded["program"]}
    return Answers(kernel.series, loads, await machine.ask(request, DEADLINE_S), by_type)


@pytest.fixture(scope="module", params=["6.1", "newest"])
def found(
    request: pytest.FixtureRequest, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    directory = tmp_path_factory.mktemp("programs")
    machines = Machines([request.param], Options(), settings=settings, progress=Silent())
    (prepared,) = machines.kernels
    return machines.visit(prepared, partial(load_and_attach, kernel=prepared.kernel, directory=directory))


@pytest.mark.parametrize("program", [name for name in EXPECTED if name != SLOW])
def test_a_refusal_has_the_expected_refuser_and_reason(found: Answers, program: str) -> None:
    want = reason_on(program, found.series)
    reply = found.loads[program]
    if want is None:
        assert reply == {"accepted": True}
        return
    why = refusal(reply["refused"])
    assert (why.by.value, errno.errorcode[why.errno], why.reason) == want


@pytest.mark.parametrize("prog_type", [None, "RAW_TRACEPOINT"], ids=["section", "type"])
def test_a_weak_kfunc_that_the_kernel_lacks_is_named(found: Answers, prog_type: str | None) -> None:
    why = refusal(found.weak_kfunc[prog_type]["refused"])
    want = "kfunc 'bpf_dynptr_frobnicate' is referenced but wasn't resolved"
    assert (why.by, why.errno, why.reason) == (Refuser.VERIFIER, errno.EINVAL, want)


def test_the_reason_of_a_failed_attach_is_the_message_of_libbpf(found: Answers) -> None:
    why = refusal(found.attach["attach_failed"], Refuser.ATTACH)
    assert (why.by, why.errno) == (Refuser.ATTACH, errno.ENOENT)
    assert why.reason.startswith(
        "libbpf: prog 'on_nothing': failed to create kprobe 'frobnicate+0x0' perf event"
    )
