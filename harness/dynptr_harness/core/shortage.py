"""Shortages of the host: too few descriptors or processes, too little memory, or a full disk."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACE = "free some space, or set TMPDIR and DYNPTR_HARNESS_CACHE to directories on another disk"
HINTS = {
    errno.EMFILE: "raise the limit of open files, such as with `ulimit -n 1024`",
    errno.ENFILE: "close other programs: all processes of the host have too many open files",
    errno.ENOMEM: "free some memory, or run fewer machines with --jobs",
    errno.EAGAIN: "raise the limit of processes (`ulimit -u`), or run fewer machines with --jobs",
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
}
NO_TEMPORARY_DIRECTORY = "No usable temporary directory"  # tempfile's message, with ENOENT


def is_shortage(error: BaseException) -> bool:
    """Return True if an error of this process was caused by a shortage."""
    return isinstance(error, OSError) and (error.errno in HINTS or NO_TEMPORARY_DIRECTORY in str(error))


def named_in(text: str) -> bool:
    """Return True if a message of another program names a shortage."""
    return any(os.strerror(number) in text for number in HINTS)


def failure(error: OSError, what: str) -> EnvironmentFailed:
    """Return a shortage as a failure of the environment."""
    where = f" ({error.filename})" if error.filename else ""
    return EnvironmentFailed(f"{what}: {error.strerror}{where}", HINTS.get(error.errno or 0, _SPACE))


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Convert shortages to EnvironmentFailed; `what` says what they prevent."""
    try:
        yield
    except OSError as error:
        if not is_shortage(error):
            raise
        raise failure(error, what) from error
