"""Standard output and error. A failure to write to them never looks like a verdict.

Python ends with status 1 or 120 after a failed write, and 1 means that a kernel is not as expected.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT, STDERR = 1, 2
ENCODING = getattr(sys.__stdout__, "encoding", None) or "utf-8"
READER_CLOSED = 128 + signal.SIGPIPE


class ReaderClosed(SystemExit):
    """The reader of standard output has closed it, such as `head`. The exit status is that of SIGPIPE."""

    def __init__(self) -> None:
        super().__init__(READER_CLOSED)


class _Stream(io.TextIOWrapper):
    """One of the two streams, on its descriptor. It can encode any text.

    The descriptor is written by C code. A signal handler that raises in a raw stream written in Python would
    make the buffer write its data twice.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        raw = io.FileIO(descriptor, "w", closefd=False)
        buffered = raw.isatty() or descriptor == STDERR
        super().__init__(
            io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=buffered
        )

    def write(self, text: str, /) -> int:
        with self._failing():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._failing():
            super().flush()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Discard all output after the first failure, which `_failed` may raise."""
        try:
            yield
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        """Ignore a failure of standard error: a lost message changes no result."""


class _Output(_Stream):
    """Standard output. Its failure ends the command."""

    def _failed(self, error: OSError) -> None:
        raise ReaderClosed if isinstance(error, BrokenPipeError) else _stdout_failed(error)


def write(descriptor: int, data: bytes) -> None:
    """Write all of `data` to descriptor 1 or 2.

    Raises:
        BrokenPipeError: the reader of standard output has closed it.
        EnvironmentFailed: standard output failed otherwise. A failure of standard error is ignored.
    """
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        if descriptor == STDOUT:
            raise
    except OSError as error:
        if descriptor == STDOUT:
            raise _stdout_failed(error) from error


def guard() -> None:
    """Replace sys.stdout and sys.stderr, unless a test or a caller has replaced them."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding=ENCODING)  # noqa: PTH123, SIM115  (closed with the process)
    elif sys.stdout is sys.__stdout__:
        sys.stdout = _Output(STDOUT, ENCODING)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding=ENCODING)  # noqa: PTH123, SIM115
    elif sys.stderr is sys.__stderr__:
        sys.stderr = _Stream(STDERR, ENCODING)


def _stdout_failed(error: OSError) -> EnvironmentFailed:
    return EnvironmentFailed(
        f"cannot write to standard output: {error.strerror}", "redirect it to a place with room"
    )
