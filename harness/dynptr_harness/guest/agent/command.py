"""A command that a person runs in the guest: what it writes goes to the host as it comes.

The host asks for `exec` with the words of the command in `argv`, and where it is to have a terminal, with
`terminal`: its `rows`, `columns` and `term`. While it runs

- the host sends `input` (base64; empty for its end) and `size` ([rows, columns]), a line each;
- the agent sends the event `output` with `stream` ('stdout' or 'stderr', both one with a terminal) and `data`
  (base64), and `alive` now and then.

The reply has its `status`: 128 + N where signal N ended it, 126 or 127 where it cannot be started. A machine
serves one such request, its last: whatever else the host sends is input.
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
    from dynptr_harness.guest.agent.ports import Ports

ALIVE_S = 2.0
CHUNK = 1 << 16
FOLDER = "/payload"  # where it runs
PATH = "/usr/sbin:/usr/bin:/usr/local/bin"  # the last has the tools of busybox
CANNOT_RUN, NOT_FOUND = 126, 127  # as a shell says it


class Command:
    """One command, from its start to its end."""

    def __init__(self, ports: Ports, request: dict[str, Any]) -> None:
        self._ports = ports
        self._id = request["id"]
        self._argv: list[str] = request["argv"]
        self._terminal: dict[str, Any] | None = request.get("terminal")
        self._sending = Lock()
        self._ended = Event()

    def run(self) -> dict[str, Any]:
        """Run it to its end, and until nobody can write to where its output goes any more."""
        try:
            child, stdin, outputs = self._on_terminal() if self._terminal else self._on_pipes()
        except OSError as error:
            self._output("stderr", f"{self._argv[0]}: {error.strerror}\n".encode())
            return {"status": NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_RUN}
        pumps = [Thread(target=self._pump, args=output) for output in outputs.items()]
        feeder = Thread(target=self._feed, args=(stdin,), daemon=True)
        for thread in (*pumps, feeder, Thread(target=self._live, daemon=True)):
            thread.start()
        for pump in pumps:
            pump.join()
        status = child.wait()
        self._ended.set()
        return {"status": status if status >= 0 else 128 - status}

    def _on_pipes(self) -> tuple[subprocess.Popen[bytes], int, dict[str, int]]:
        (stdin, to_stdin), (from_stdout, stdout), (from_stderr, stderr) = (os.pipe() for _ in range(3))
        try:
            child = self._started(self._argv, stdin=stdin, stdout=stdout, stderr=stderr)
        finally:
            for theirs in (stdin, stdout, stderr):
                os.close(theirs)
        return child, to_stdin, {"stdout": from_stdout, "stderr": from_stderr}

    def _on_terminal(self) -> tuple[subprocess.Popen[bytes], int, dict[str, int]]:
        assert self._terminal  # noqa: S101
        ours, theirs = os.openpty()
        _resize(ours, self._terminal["rows"], self._terminal["columns"])
        # a session of its own, with the terminal as the one that Ctrl-C comes from
        argv = ["busybox", "setsid", "-c", *self._argv]
        child = self._started(argv, stdin=theirs, stdout=theirs, stderr=theirs, TERM=self._terminal["term"])
        os.close(theirs)
        return child, ours, {"stdout": ours}

    @staticmethod
    def _started(
        argv: list[str], *, stdin: int, stdout: int, stderr: int, **environment: str
    ) -> subprocess.Popen[bytes]:
        environ = {**os.environ, "PATH": PATH, **environment}
        return subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=stderr, env=environ, cwd=FOLDER)

    def _pump(self, stream: str, fd: int) -> None:
        """Send what is written, until nobody can write any more; for a terminal that is an error."""
        with suppress(OSError):
            while data := os.read(fd, CHUNK):
                self._output(stream, data)

    def _feed(self, stdin: int) -> None:
        """Give the command what the host sends."""
        for message in self._ports.requests():
            if size := message.get("size"):
                _resize(stdin, *size)
            elif data := base64.b64decode(message["input"]):
                with suppress(BrokenPipeError):  # it reads no more, which is its own affair
                    _write(stdin, data)
            else:
                os.close(stdin)
                return

    def _live(self) -> None:
        while not self._ended.wait(ALIVE_S):
            self._send("alive")

    def _output(self, stream: str, data: bytes) -> None:
        self._send("output", stream=stream, data=base64.b64encode(data).decode())

    def _send(self, event: str, **fields: Any) -> None:
        with self._sending:
            self._ports.send(event, id=self._id, **fields)


def run_to_end(request: dict[str, Any]) -> dict[str, Any]:
    """A command that nobody watches: its status, and in base64 what it wrote; `stdin` is what it may read."""
    done = subprocess.run(
        request["argv"],
        input=base64.b64decode(request["stdin"]),
        capture_output=True,
        env={**os.environ, "PATH": PATH},
        cwd=FOLDER,
        check=False,
    )
    outputs = {name: base64.b64encode(getattr(done, name)).decode() for name in ("stdout", "stderr")}
    return {"status": done.returncode, **outputs}


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _resize(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
