"""exec and shell on a real guest."""

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
    from pathlib import Path

    from dynptr_harness.kernels.model import Kernel

PATIENCE_S = 240  # seconds; the first one boots
COMMAND = [sys.executable, "-m", "dynptr_harness"]


def run(
    kernel: Kernel, *words: str, stdin: bytes = b"", stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    command = [*COMMAND, "exec", "--quiet", "--kernel", kernel.release, "--", *words]
    return subprocess.run(
        command, input=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False
    )


def test_output_and_status_are_those_of_the_command(kernel: Kernel) -> None:
    done = run(kernel, "sh", "-c", "uname -r; echo two words >&2; exit 7")
    assert (done.stdout.decode(), done.stderr) == (f"{kernel.release}\n", b"two words\n")
    assert done.returncode == 7


def test_input_of_any_bytes_arrives_up_to_its_end(kernel: Kernel) -> None:
    everything = bytes(range(256)) * 4096  # more than any pipe buffer on the way
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
def test_the_exit_status_is_that_of_a_shell(
    kernel: Kernel, words: list[str], status: int, error: bytes
) -> None:
    done = run(kernel, *words)
    assert (done.returncode, done.stderr) == (status, error)


def test_a_guest_for_commands_holds_no_programs_of_ours(kernel: Kernel) -> None:
    done = run(
        kernel, "sh", "-c", "bpftool prog show; bpftool map show; bpftool link show; ls -A /sys/fs/bpf"
    )
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)


def test_a_command_ends_without_its_children_and_its_input(kernel: Kernel) -> None:
    done = run(kernel, "sh", "-c", "sleep 1000 & echo started", stdin=b"y\n" * 1_500_000)
    assert (done.stdout, done.stderr, done.returncode) == (b"started\n", b"", 0)


@pytest.mark.parametrize("content", ["one", "two"])
def test_a_directory_is_shared_read_only(kernel: Kernel, tmp_path: Path, content: str) -> None:
    directory = tmp_path / "a b,c'd"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub/file").write_text(content)
    (directory / "link").symlink_to("sub/file")
    command = [*COMMAND, "exec", "-q", "-k", kernel.release, "--share", str(directory)]
    script = "cat /share/link; touch /share/new 2>/dev/null || exit 5"
    done = subprocess.run(
        [*command, "sh", "-c", script], capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert (done.stdout.decode(), done.stderr, done.returncode) == (content, b"", 5)


def test_a_closed_standard_output_ends_the_command(kernel: Kernel) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run(kernel, "yes", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_crash_is_reported_with_the_console(kernel: Kernel) -> None:
    done = run(kernel, "sh", "-c", "echo c > /proc/sysrq-trigger")
    assert b" sysrq_handle_crash+" in done.stderr
    assert b"dynptr-harness: machine crash: Kernel panic - not syncing: sysrq triggered crash" in done.stderr
    assert done.returncode == 3


class Terminal:
    """A pseudoterminal in which our command runs."""

    def __init__(self, *words: str) -> None:
        self.controller, terminal = os.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(terminal)
        self._terminal = terminal
        self._shown = b""
        self._command = subprocess.Popen(
            ["setsid", "-c", "-w", *COMMAND, *words], stdin=terminal, stdout=terminal, stderr=terminal
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.controller, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.controller, keys)

    def wait_for(self, pattern: bytes) -> None:
        """Read until the pattern is shown, after the pattern of the previous call."""
        end = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self._shown)):
            assert select.select([self.controller], [], [], end - time.monotonic())[0], self._shown
            try:
                self._shown += os.read(self.controller, 1 << 16)
            except OSError:  # the other end is closed
                pytest.fail(f"ended without {pattern!r}: {self._shown!r}")
        self._shown = self._shown[found.end() :]

    def end(self) -> int:
        """Wait for the command and return its status. The terminal must be in its original mode."""
        status = self._command.wait(PATIENCE_S)
        assert termios.tcgetattr(self._terminal) == self.before
        return status

    def close(self) -> None:
        if self._command.poll() is None:
            self._command.kill()
            self._command.wait()
        os.close(self.controller)
        os.close(self._terminal)


@pytest.fixture
def shell(kernel: Kernel) -> Iterator[Terminal]:
    terminal = Terminal("shell", "--quiet", "--kernel", kernel.release)
    try:
        terminal.wait_for(rb"# ")
        yield terminal
    finally:
        terminal.close()


def test_the_shell_has_the_size_of_our_terminal(shell: Terminal) -> None:
    shell.type(b"stty size; tty; echo $TERM\n")
    shell.wait_for(rb"24 80\r\n/dev/pts/\d+\r\n")
    shell.resize(50, 132)
    shell.type(b"while [ \"$(stty size)\" != '50 132' ]; do :; done; echo fol''lowed\n")
    shell.wait_for(rb"followed")
    shell.type(b"\x04")
    assert shell.end() == 0


def test_ctrl_c_interrupts_only_the_command_in_the_guest(shell: Terminal) -> None:
    # a second shell has the terminal once it prints, and ends with its command
    shell.type(b"sh -c \"echo wai''ting; sleep 1000\"\n")
    shell.wait_for(rb"waiting")
    shell.type(b"\x03")
    shell.wait_for(rb"# ")
    shell.type(b"exit 5\n")
    assert shell.end() == 5


def test_a_key_ends_the_shell_of_a_guest_that_ignores_keys(shell: Terminal) -> None:
    shell.type(b"trap '' INT; echo sleep''ing; sleep 1000\n")
    shell.wait_for(rb"sleeping")
    shell.type(b"\x1d")
    assert shell.end() == 0


def test_a_command_can_have_our_terminal(kernel: Kernel) -> None:
    script = "sleep 1000 & tty; stty size; exit 4"
    terminal = Terminal("exec", "-q", "-t", "--kernel", kernel.release, "--", "sh", "-c", script)
    try:
        terminal.wait_for(rb"/dev/pts/\d+\r\n24 80\r\n")
        assert terminal.end() == 4
    finally:
        terminal.close()


def test_the_terminal_is_restored_after_a_crash(shell: Terminal) -> None:
    shell.type(b"echo c > /proc/sysrq-trigger\n")
    shell.wait_for(rb"machine crash: Kernel panic")
    assert shell.end() == 3
