"""Settings of the kernel, for the time of an experiment."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unavailable(Exception):
    """This kernel is built without what an experiment needs."""


@contextmanager
def changed(name: str, value: int) -> Iterator[None]:
    """A sysctl, such as 'net.core.bpf_jit_enable', has another value within this context.

    Raises:
        Unavailable: the kernel does not have it, or does not take the value.
    """
    path = Path("/proc/sys", *name.split("."))
    try:
        before = path.read_text()
        path.write_text(str(value))
    except OSError as error:
        raise Unavailable(f"{name} cannot be {value}: {error.strerror}") from error
    try:
        yield
    finally:
        path.write_text(before)
