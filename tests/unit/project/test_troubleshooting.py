"""docs/troubleshooting.md quotes the messages that the code prints."""

from __future__ import annotations

import errno
import inspect
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.cli.app import say
from dynptr_harness.commands.raw_terminal import Terminal
from dynptr_harness.core import cache, shortage
from dynptr_harness.core.errors import HarnessError
from dynptr_harness.core.progress import Silent
from dynptr_harness.core.settings import Settings
from dynptr_harness.kernels.debian import source
from dynptr_harness.vm import cmdline, kvm_probe, qemu

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(qemu.__file__).parents[1]
PAGE = (Path(__file__).parents[3] / "docs/troubleshooting.md").read_text()


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[HarnessError], str]:
    """Return a function that returns an error as the command prints it."""

    def text(error: HarnessError) -> str:
        say(error.fact, error.hint)
        return capsys.readouterr().err

    return text


def test_old_qemu(
    printed: Callable[[HarnessError], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "qemu"
    program.write_text("#!/bin/sh\necho QEMU emulator version 7.2.15\n")
    program.chmod(0o755)
    monkeypatch.setattr(qemu, "PROGRAM", str(program))
    with pytest.raises(HarnessError) as raised:
        inspect.unwrap(qemu.version)()  # not the cached answer about the real QEMU
    assert printed(raised.value) in PAGE


def test_full_disk(printed: Callable[[HarnessError], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "free_mib", lambda _path: 0)
    assert printed(cache._full(Path("/home/me/.cache/dynptr-harness"))) in PAGE


def test_shortages_of_the_host(printed: Callable[[HarnessError], str]) -> None:
    too_many = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert printed(shortage.failure(too_many, "QEMU cannot be started")) in PAGE
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/tmpx1y2z3")  # noqa: S108  (as in the page)
    assert printed(shortage.failure(full, "the command cannot continue")) in PAGE


def test_no_terminal(printed: Callable[[HarnessError], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(HarnessError) as raised:
        Terminal()
    assert printed(raised.value) in PAGE


def test_offline(printed: Callable[[HarnessError], str], tmp_path: Path) -> None:
    with pytest.raises(HarnessError) as raised:
        source.choose("6.12", Settings(tmp_path, offline=True), Silent())
    assert printed(raised.value) in PAGE


def test_rejected_argument(printed: Callable[[HarnessError], str]) -> None:
    with pytest.raises(HarnessError) as raised:
        cmdline.words(["lsm=yama"])
    fact, _hint = printed(raised.value).splitlines()
    assert fact in PAGE


@pytest.mark.parametrize(
    ("module", "quote"),
    [
        ("core/kvm.py", ": add the user to the group kvm"),
        ("guest/bpf/objects.py", " is not in the kernel's BTF"),
        ("guest_image/initramfs-init.sh", ": build that in, or give its modules with --modules"),
        ("kernels/bootable.py", " cannot boot: "),
        ("kernels/bootable.py", " is m, and "),
        ("kernels/debian/source.py", "skipped kernels that Debian serves only in part: "),
        ("vm/failures.py", "QEMU was ended by "),
        ("vm/snapshots.py", "cannot be restored now"),
        ("vm/kvm_probe.py", "a kernel started with it did not reach user space in "),
    ],
)
def test_messages_that_need_a_machine(module: str, quote: str) -> None:
    assert quote in PAGE
    assert quote in (PACKAGE / module).read_text()


def test_deadline_of_the_kvm_probe() -> None:
    assert f"did not reach user space in {kvm_probe.PROBE_DEADLINE:g} s" in PAGE
