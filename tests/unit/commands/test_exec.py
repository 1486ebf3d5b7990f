"""A command run by the agent: its input, and the order of its events."""

from __future__ import annotations

import base64
import os
import shutil
import signal
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.guest.agent import command
from dynptr_harness.guest.agent.command import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

TERMINAL = {"rows": 24, "columns": 80, "term": "dumb"}


class Host:
    """The host's end of both ports."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.messages: Queue[dict[str, Any]] = Queue()
        self.answers: dict[bytes, bytes] = {}  # input to send once this output has arrived

    def send(self, event: str, **fields: Any) -> None:
        self.sent.append({"event": event, **fields})
        for words in [words for words in self.answers if words in self.heard("stdout")]:
            self.type(self.answers.pop(words))

    def requests(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.messages.get()

    def type(self, data: bytes) -> None:
        self.messages.put({"input": base64.b64encode(data).decode()})

    def heard(self, stream: str) -> bytes:
        """Return everything that was written to a stream."""
        outputs = [each for each in self.sent if each["event"] == "output" and each["stream"] == stream]
        assert all(each["id"] == 7 for each in outputs)
        return b"".join(base64.b64decode(each["data"]) for each in outputs)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    monkeypatch.setattr(command, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(command, "PATH", os.environ["PATH"])
    for name in ("LINES", "COLUMNS"):  # xdist sets them, and busybox prefers them to the size of the terminal
        monkeypatch.delenv(name, raising=False)
    return Host()


def run(host: Host, *argv: str, **fields: Any) -> int:
    status = Command(host, {"id": 7, "argv": list(argv), **fields}).run()["status"]  # type: ignore[arg-type]
    return int(status)


@pytest.mark.parametrize(
    ("argv", "status", "stdout", "stderr"),
    [
        (("sh", "-c", "echo out; echo err >&2; exit 3"), 3, b"out\n", b"err\n"),
        (("sh", "-c", "kill -TERM $$"), 143, b"", b""),
        (("no-such-command",), 127, b"", b"no-such-command: No such file or directory\n"),
        (("/",), 126, b"", b"/: Permission denied\n"),
        (("sh", "-c", "head -c 50000 /dev/zero & wait; exit 4"), 4, bytes(50000), b""),
        (("sh", "-c", "yes >&2 & exec true"), 0, b"", None),
    ],
)
def test_a_command_gets_its_output_and_status(
    host: Host, argv: tuple[str, ...], status: int, stdout: bytes, stderr: bytes | None
) -> None:
    assert run(host, *argv) == status
    assert host.heard("stdout") == stdout
    assert stderr is None or host.heard("stderr") == stderr


BEHIND = "sleep 10 & echo $!; exit 4"  # keeps the output open


def end(process: bytes) -> None:
    """End a process, which must still run."""
    assert Path(f"/proc/{int(process)}/cmdline").read_bytes()  # empty for a zombie
    os.kill(int(process), signal.SIGKILL)


def test_a_command_ends_before_its_children(host: Host) -> None:
    assert run(host, "sh", "-c", BEHIND) == 4
    end(host.heard("stdout"))


@pytest.mark.usefixtures("host")
def test_a_command_of_a_test_ends_before_its_children() -> None:
    reply = command.run_to_end({"argv": ["sh", "-c", BEHIND], "stdin": ""})
    assert reply["status"] == 4
    end(base64.b64decode(reply["stdout"]))


@pytest.mark.usefixtures("host")
def test_a_command_of_a_test_has_input_and_output() -> None:
    argv = ["sh", "-c", "cat; echo err >&2; exit 4"]
    reply = command.run_to_end({"argv": argv, "stdin": base64.b64encode(b"in").decode()})
    outputs = (base64.b64decode(reply[name]) for name in ("stdout", "stderr"))
    assert (reply["status"], *outputs) == (4, b"in", b"err\n")


def test_input_and_its_end_arrive(host: Host) -> None:
    for data in (b"one ", b"two\0", b""):
        host.type(data)
    assert run(host, "cat") == 0
    assert host.heard("stdout") == b"one two\0"


def test_unread_input_does_no_harm(host: Host) -> None:
    host.type(b"x" * (1 << 20))
    assert run(host, "true") == 0


def test_a_long_silence_is_not_a_failure(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "ALIVE_S", 0.02)
    assert run(host, "sleep", "0.2") == 0
    assert {"event": "alive", "id": 7} in host.sent


@pytest.mark.skipif(not shutil.which("busybox"), reason="takes busybox, as the guest has it")
def test_the_guest_terminal_follows_the_host_size(host: Host) -> None:
    host.messages.put({"size": [50, 132]})
    script = 'while [ "$(stty size)" != "50 132" ]; do :; done; stty size; echo err >&2; tty'
    assert run(host, "sh", "-c", script, terminal=TERMINAL) == 0
    lines = host.heard("stdout").split(b"\r\n")
    assert lines[:2] == [b"50 132", b"err"]
    assert lines[2].startswith(b"/dev/pts/")


@pytest.mark.skipif(not shutil.which("busybox"), reason="takes busybox, as the guest has it")
def test_a_command_on_a_terminal_ends_without_its_children(host: Host) -> None:
    script = "trap '' HUP; sleep 10 & seq 2000; echo $!; exit 4"
    assert run(host, "sh", "-c", script, terminal=TERMINAL) == 4
    *numbers, process = host.heard("stdout").split()
    assert numbers == [str(number).encode() for number in range(1, 2001)]
    end(process)


@pytest.mark.skipif(not shutil.which("busybox"), reason="takes busybox, as the guest has it")
def test_ctrl_c_interrupts_the_command(host: Host) -> None:
    host.answers[b"ready"] = b"\x03"
    script = "trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done"
    assert run(host, "sh", "-c", script, terminal=TERMINAL) == 5
