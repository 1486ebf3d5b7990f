"""Temporary changes of kernel settings."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unavailable(Exception):
    """The kernel lacks a feature or a setting that an experiment needs."""


@contextmanager
def changed(name: str, value: int) -> Iterator[None]:
    """Set a sysctl, such as 'net.core.bpf_jit_enable', and restore its old value afterwards.

    Raises:
        Unavailable: the kernel lacks the setting or rejects the value.
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
