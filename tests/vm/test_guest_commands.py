"""exec and shell on a real guest: they behave like commands of the host, and tell when the guest dies."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.kernels.model import Kernel

pytestmark = pytest.mark.vm

PATIENCE_S = 240  # the first one boots
OURS = [sys.executable, "-m", "dynptr_harness"]


def run(
    kernel: Kernel, *words: str, stdin: bytes = b"", stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    command = [*OURS, "exec", "--quiet", "--kernel", kernel.release, "--", *words]
    return subprocess.run(
        command, input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
    )


def test_output_errors_and_status_are_those_of_the_command(kernel: Kernel) -> None:
    done = run(kernel, "sh", "-c", "uname -r; echo two words >&2; exit 7")
    assert (done.stdout.decode(), done.stderr) == (f"{kernel.release}\n", b"two words\n")
    assert done.returncode == 7


def test_input_of_any_bytes_arrives_whole_and_its_end_too(kernel: Kernel) -> None:
    everything = bytes(range(256)) * 4096  # more than any pipe on its way holds
    done = run(kernel, "cat", stdin=everything)
    assert done.stdout == everything
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "status", "error"),
    [
        (["no-such-command"], 127, b"no-such-command: No such file or directory\n"),
        (["/payload"], 126, b"/payload: Permission denied\n"),
        (["sh", "-c", "kill -SEGV $$"], 128 + signal.SIGSEGV, b""),
        (["python3", "-c", "import bcc; bcc.BPF(text='int f(void *ctx) { return 0; }')"], 0, b""),
        (["bpftool", "prog", "show"], 0, b""),
    ],
    ids=["not found", "no program", "signal", "bcc", "bpftool"],
)
def test_a_command_ends_as_a_shell_would_say_it(
    kernel: Kernel, words: list[str], status: int, error: bytes
) -> None:
    done = run(kernel, *words)
    assert (done.returncode, done.stderr) == (status, error)


def test_a_reader_that_has_enough_ends_the_command(kernel: Kernel) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(kernel, "yes", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_crash_is_told_with_the_words_of_the_console(kernel: Kernel) -> None:
    done = run(kernel, "sh", "-c", "echo c > /proc/sysrq-trigger")
    assert b" sysrq_handle_crash+" in done.stderr
    assert b"dynptr-harness: machine crash: Kernel panic - not syncing: sysrq triggered crash" in done.stderr
    assert done.returncode == 3


class Person:
    """Somebody at a terminal, in which a command of ours runs."""

    def __init__(self, *words: str) -> None:
        self.ours, theirs = os.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self._shown = b""
        self._command = subprocess.Popen(
            ["setsid", "-c", "-w", *OURS, *words], stdin=theirs, stdout=theirs, stderr=theirs
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def wait_for(self, pattern: bytes) -> None:
        """Read on until this is shown, behind what was waited for before."""
        end = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self._shown)):
            assert select.select([self.ours], [], [], end - time.monotonic())[0], self._shown
            try:
                self._shown += os.read(self.ours, 1 << 16)
            except OSError:  # nobody has the other end any more
                pytest.fail(f"ended without {pattern!r}: {self._shown!r}")
        self._shown = self._shown[found.end() :]

    def end(self) -> int:
        """Wait for the end; the terminal must be what it was."""
        status = self._command.wait(PATIENCE_S)
        assert termios.tcgetattr(self._theirs) == self.before
        return status

    def leave(self) -> None:
        if self._command.poll() is None:
            self._command.kill()
            self._command.wait()
        os.close(self.ours)
        os.close(self._theirs)


@pytest.fixture
def person(kernel: Kernel) -> Iterator[Person]:
    somebody = Person("shell", "--quiet", "--kernel", kernel.release)
    try:
        somebody.wait_for(rb"# ")
        yield somebody
    finally:
        somebody.leave()


def test_a_shell_has_a_terminal_that_follows_ours(person: Person) -> None:
    person.type(b"stty size; tty; echo $TERM\n")
    person.wait_for(rb"24 80\r\n/dev/pts/\d+\r\n")
    person.resize(50, 132)
    person.type(b"while [ \"$(stty size)\" != '50 132' ]; do :; done; echo fol''lowed\n")
    person.wait_for(rb"followed")
    person.type(b"\x04")
    assert person.end() == 0


def test_ctrl_c_interrupts_the_command_in_the_guest_and_not_us(person: Person) -> None:
    # in a shell of its own: that has the terminal when it speaks, and ends with what it runs
    person.type(b"sh -c \"echo wai''ting; sleep 1000\"\n")
    person.wait_for(rb"waiting")
    person.type(b"\x03")
    person.wait_for(rb"# ")
    person.type(b"exit 5\n")
    assert person.end() == 5


def test_a_key_leads_out_of_a_guest_that_heeds_no_key(person: Person) -> None:
    person.type(b"trap '' INT; echo de''af; sleep 1000\n")
    person.wait_for(rb"deaf")
    person.type(b"\x1d")
    assert person.end() == 0


def test_a_terminal_is_what_it_was_after_a_crash(person: Person) -> None:
    person.type(b"echo c > /proc/sysrq-trigger\n")
    person.wait_for(rb"machine crash: Kernel panic")
    assert person.end() == 3
