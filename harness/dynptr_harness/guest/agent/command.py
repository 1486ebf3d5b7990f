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
import struct
import subprocess
import termios
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dynptr_harness.guest.agent.ports import AgentPorts

ALIVE_S = 2.0
CHUNK = 1 << 16
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
        """Run the command until it has ended and all writers have closed its output."""
        try:
            child, stdin, outputs = self._on_terminal() if self._terminal else self._on_pipes()
        except OSError as error:
            self._output("stderr", f"{self._argv[0]}: {error.strerror}\n".encode())
            return {"status": NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN}
        pumps = [Thread(target=self._pump, args=output) for output in outputs.items()]
        feeder = Thread(target=self._feed, args=(stdin,), daemon=True)
        for thread in (*pumps, feeder, Thread(target=self._send_alive, daemon=True)):
            thread.start()
        for pump in pumps:
            pump.join()
        status = child.wait()
        self._ended.set()
        return {"status": status if status >= 0 else 128 - status}

    def _on_pipes(self) -> tuple[subprocess.Popen[bytes], int, dict[str, int]]:
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = (os.pipe() for _ in range(3))
        try:
            child = self._start(self._argv, stdin=stdin, stdout=stdout, stderr=stderr)
        finally:
            for theirs in (stdin, stdout, stderr):
                os.close(theirs)
        return child, to_stdin, {"stdout": from_stdout, "stderr": from_stderr}

    def _on_terminal(self) -> tuple[subprocess.Popen[bytes], int, dict[str, int]]:
        assert self._terminal  # noqa: S101
        ours, theirs = os.openpty()
        _resize(ours, self._terminal["rows"], self._terminal["columns"])
        # a new session with the pseudoterminal as its controlling terminal, so that Ctrl-C works
        argv = ["busybox", "setsid", "-c", *self._argv]
        child = self._start(argv, stdin=theirs, stdout=theirs, stderr=theirs, TERM=self._terminal["term"])
        os.close(theirs)
        return child, ours, {"stdout": ours}

    @staticmethod
    def _start(
        argv: list[str], *, stdin: int, stdout: int, stderr: int, **environment: str
    ) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PATH": PATH, **environment}
        return subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, env=environ, cwd=DIRECTORY)

    def _pump(self, stream: str, fd: int) -> None:
        with suppress(OSError):  # EIO: the last writer has closed the terminal
            while data := os.read(fd, CHUNK):
                self._output(stream, data)

    def _feed(self, stdin: int) -> None:
        for message in self._ports.requests():
            if size := message.get("size"):
                _resize(stdin, *size)
            elif data := base64.b64decode(message["input"]):
                with suppress(BrokenPipeError):  # the command has closed its input
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
    """Run the command in `argv` with the input `stdin`.

    Input and output are in base64.
    """
    done = subprocess.run(
        request["argv"],
        input=base64.b64decode(request["stdin"]),
        capture_output=True,
        env={**os.environ, "PATH": PATH},
        cwd=DIRECTORY,
        check=False,
    )
    outputs = {name: base64.b64encode(getattr(done, name)).decode() for name in ("stdout", "stderr")}
    return {"status": done.returncode, **outputs}


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
