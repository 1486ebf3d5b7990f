"""Runs a user's command in the guest and streams its output to the host.

The request `exec` has the command in `argv`. With `terminal` (`rows`, `columns`, `term`) it runs on a
pseudoterminal. While it runs:

- the host sends messages with `input` (base64; empty at the end of input) or `size` ([rows, columns]);
- the agent sends the event `output` with `stream` ('stdout' or 'stderr'; only 'stdout' with a terminal) and
  `data` (base64), and the event `alive` every ALIVE_S seconds.

The reply has the `status`: 128 + N if signal N ended the command, 126 or 127 if it could not be started. This
is the last request of a machine, because every later message is input for the command.
"""

from __future__ import annotations

import base64
import fcntl
import os
import select
import struct
import subprocess
import termios
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dynptr_harness.guest.agent.ports import AgentPorts

ALIVE_S = 2.0
CHUNK = 1 << 16
TERMINAL_BUFFER = 1 << 17  # more than the kernel keeps between the two ends of a pseudoterminal
DIRECTORY = "/payload"  # working directory of commands
PATH = "/usr/sbin:/usr/bin:/usr/local/bin"  # /usr/local/bin has the applets of busybox
CANNOT_RUN, NOT_FOUND = 126, 127  # as in a shell


class Command:
    """A user's command."""

    def __init__(self, ports: AgentPorts, request: dict[str, Any]) -> None:
        self._ports = ports
        self._id = request["id"]
        self._argv: list[str] = request["argv"]
        self._terminal: dict[str, Any] | None = request.get("terminal")
        self._sending = Lock()
        self._ended = Event()

    def run(self) -> dict[str, Any]:
        """Run the command until it has ended. Its children may still have its output open."""
        try:
            child, stdin, outputs = self._on_terminal() if self._terminal else self._on_pipes()
        except OSError as error:
            self._output("stderr", f"{self._argv[0]}: {error.strerror}\n".encode())
            return {"status": NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN}
        for work in (lambda: self._feed(stdin), self._send_alive):
            Thread(target=work, daemon=True).start()
        status = _follow(child, outputs, self._output)
        self._ended.set()
        return {"status": status if status >= 0 else 128 - status}

    def _on_pipes(self) -> tuple[subprocess.Popen[bytes], int, dict[str, int]]:
        return _start_on_pipes(self._argv)

    def _on_terminal(self) -> tuple[subprocess.Popen[bytes], int, dict[str, int]]:
        assert self._terminal  # noqa: S101
        ours, theirs = os.openpty()
        _resize(ours, self._terminal["rows"], self._terminal["columns"])
        # a new session with the pseudoterminal as its controlling terminal, so that Ctrl-C works
        argv = ["busybox", "setsid", "-c", *self._argv]
        child = _start(argv, stdin=theirs, stdout=theirs, stderr=theirs, TERM=self._terminal["term"])
        os.close(theirs)
        return child, ours, {"stdout": ours}

    def _feed(self, stdin: int) -> None:
        for message in self._ports.requests():
            if size := message.get("size"):
                _resize(stdin, *size)
            elif data := base64.b64decode(message["input"]):
                with suppress(OSError):  # the command has closed its input
                    _write(stdin, data)
            else:
                os.close(stdin)
                return

    def _send_alive(self) -> None:
        while not self._ended.wait(ALIVE_S):
            self._send("alive")

    def _output(self, stream: str, data: bytes) -> None:
        self._send("output", stream=stream, data=base64.b64encode(data).decode())

    def _send(self, event: str, **fields: Any) -> None:
        with self._sending:
            self._ports.send(event, id=self._id, **fields)


def run_to_end(request: dict[str, Any]) -> dict[str, Any]:
    """Run the command in `argv` with the input `stdin` until it has ended.

    Input and output are in base64.

    Raises:
        OSError: the command cannot be started.
    """
    heard = {"stdout": b"", "stderr": b""}

    def hear(stream: str, data: bytes) -> None:
        heard[stream] += data

    def feed() -> None:
        with suppress(OSError):  # the command has closed its input
            _write(stdin, base64.b64decode(request["stdin"]))
        os.close(stdin)

    child, stdin, outputs = _start_on_pipes(request["argv"])
    Thread(target=feed, daemon=True).start()
    try:
        status = _follow(child, outputs, hear)
    finally:
        for output in outputs.values():
            os.close(output)
    return {"status": status, **{name: base64.b64encode(data).decode() for name, data in heard.items()}}


def _start_on_pipes(argv: list[str]) -> tuple[subprocess.Popen[bytes], int, dict[str, int]]:
    """Start a command and return it with our ends of the pipes to its input and from its outputs."""
    (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = (os.pipe() for _ in range(3))
    try:
        child = _start(argv, stdin=stdin, stdout=stdout, stderr=stderr)
    except OSError:
        for ours in (to_stdin, from_stdout, from_stderr):
            os.close(ours)
        raise
    finally:
        for theirs in (stdin, stdout, stderr):
            os.close(theirs)
    return child, to_stdin, {"stdout": from_stdout, "stderr": from_stderr}


def _start(
    argv: list[str], *, stdin: int, stdout: int, stderr: int, **environment: str
) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PATH": PATH, **environment}
    return subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, env=environ, cwd=DIRECTORY)


def _follow(
    child: subprocess.Popen[bytes], outputs: Mapping[str, int], hear: Callable[[str, bytes], None]
) -> int:
    """Pass on the output of a child until it has ended, and return its status as Popen does.

    Then pass on what is in the pipes. Later output of the child's own children is not read: they may keep
    the pipes open for ever.
    """
    streams = {fd: stream for stream, fd in outputs.items()}
    poller = select.poll()
    for fd in streams:
        poller.register(fd, select.POLLIN)
    ended = os.pidfd_open(child.pid)
    poller.register(ended, select.POLLIN)
    try:
        ready: list[int] = []
        while ended not in ready:
            ready = [fd for fd, _ in poller.poll()]
            for fd in streams.keys() & ready:
                if not _pass_on(fd, CHUNK, streams[fd], hear):
                    poller.unregister(fd)
                    del streams[fd]
    finally:
        os.close(ended)
    for fd, stream in streams.items():
        _drain(fd, stream, hear)
    return child.wait()


def _drain(fd: int, stream: str, hear: Callable[[str, bytes], None]) -> None:
    """Pass on what is in a pipe or terminal now. A process that writes without end does not prolong it."""
    left = max(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0], TERMINAL_BUFFER)
    while left > 0 and select.select([fd], [], [], 0)[0]:
        taken = _pass_on(fd, min(left, CHUNK), stream, hear)
        if not taken:
            return
        left -= taken


def _pass_on(fd: int, limit: int, stream: str, hear: Callable[[str, bytes], None]) -> int:
    """Read once and pass on the data. Return its length, 0 at the end."""
    try:
        data = os.read(fd, limit)
    except OSError:  # EIO: the last writer has closed the terminal
        return 0
    if data:
        hear(stream, data)
    return len(data)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
