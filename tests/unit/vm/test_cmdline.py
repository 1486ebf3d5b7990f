"""Kernel arguments of the user: accepted, or rejected if the harness relies on them."""

from __future__ import annotations

import pytest
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.vm import qemu
from dynptr_harness.vm.accelerator import Accelerator
from dynptr_harness.vm.cmdline import LONGEST, REFUSED, words

from tests.unit.samples import subject


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], ()),
        (["", " "], ()),
        (["nokaslr  slub_debug=FZ"], ("nokaslr", "slub_debug=FZ")),
        (["nokaslr", "slub_debug=FZ"], ("nokaslr", "slub_debug=FZ")),
        (['dyndbg="file ringbuf.c +p" nokaslr'], ('dyndbg="file ringbuf.c +p"', "nokaslr")),
        (["mitigations=auto panic_on_warn=1"], ("mitigations=auto", "panic_on_warn=1")),
        (["loglevel=8 ignore_loglevel"], ("loglevel=8", "ignore_loglevel")),
        (["lsm=lockdown,bpf"], ("lsm=lockdown,bpf",)),
        (["consoleblank=0 initcall_debug"], ("consoleblank=0", "initcall_debug")),
    ],
)
def test_arguments_are_split_as_the_kernel_does(texts: list[str], found: tuple[str, ...]) -> None:
    assert words(texts) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("console=tty0", "first serial port"),
        ("nokaslr panic=10", "immediate reset"),
        ('"panic=10"', "immediate reset"),
        ("panic-on-oops", "immediate reset"),
        ("quiet", "hides WARN"),
        ("loglevel=4", "only from level 5 on"),
        ("loglevel", "only from level 5 on"),
        ("lsm=lockdown,yama", "without bpf"),
        ("lockdown=confidentiality", "forbids kprobes"),
        ("init=/bin/sh", "starts the agent"),
        ("-- shell", "starts the agent"),
        ("dynptr-harness.probe", "the harness uses these names"),
        ('dyndbg="file x', "not closed"),
        ("a" * (LONGEST + 1), f"more than {LONGEST}"),
    ],
)
def test_an_argument_that_would_break_the_harness_is_rejected(text: str, reason: str) -> None:
    with pytest.raises(WrongUsage, match=reason) as caught:
        words([text])
    assert caught.value.hint


def test_a_guest_without_programs_can_be_locked_down() -> None:
    assert words(["lockdown=confidentiality"], bare=True) == ("lockdown=confidentiality",)
    with pytest.raises(WrongUsage):
        words(["panic=10"], bare=True)


def test_the_arguments_for_console_and_panic_are_rejected() -> None:
    own = {word.partition("=")[0] for word in (*qemu.CONSOLE, *qemu.RESET_ON_PANIC)}
    assert own - {"loglevel"} <= REFUSED.keys()


def test_the_longest_line_fits_into_the_kernel_s_limit() -> None:
    spec = qemu.Spec(subject().files, Accelerator("kvm", ""), cmdline=("a" * LONGEST,))
    command = spec.command({"commands": 0, "events": 1, "monitor": 2})
    line = command[command.index("-append") + 1]
    assert line.endswith("a")
    assert len(line) < 2048  # COMMAND_LINE_SIZE, arch/x86/include/asm/setup.h
