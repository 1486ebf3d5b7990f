"""Output files: checked before the work begins, and written atomically."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def check(option: str, path: Path) -> None:
    """Check that a file can be written.

    Args:
        option: the option that names the file, for messages.
        path: the file.

    Raises:
        WrongUsage: the path is a directory, or its directory does not exist or is not writable.
    """
    directory = path.resolve().parent
    if path.is_dir():
        raise WrongUsage(f"{option} {path} is a directory", "give the path of a file")
    if not directory.is_dir():
        raise WrongUsage(
            f"{option} {path}: there is no directory {directory}", f"create it: mkdir -p {directory}"
        )
    if not os.access(path if _is_special(path) else directory, os.W_OK):
        raise WrongUsage(
            f"{option} {path}: no permission to write in {directory}", "name a file in another directory"
        )


def check_all(files: Mapping[str, Path | None]) -> None:
    """Check that all files can be written and differ from each other.

    Args:
        files: the files by option. None if the option was not given.

    Raises:
        WrongUsage: see `check`, or two options name the same file.
    """
    options: dict[Path, str] = {}
    for option, path in files.items():
        if not path:
            continue
        check(option, path)
        first = options.setdefault(path.resolve(), option)
        if first != option:
            raise WrongUsage(f"{first} and {option} both name {path}", "name different files")


def write(path: Path, content: bytes) -> None:
    """Write a file atomically. Pipes and devices are written to directly.

    Raises:
        EnvironmentFailed: the disk is full, or the directory does not exist any more.
    """
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if _is_special(path):
            path.write_bytes(content)
            return
        try:
            part.write_bytes(content)
            part.replace(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
    except OSError as error:
        raise EnvironmentFailed(
            f"cannot write {path}: {error.strerror}", "free some space, or name another file"
        ) from error


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()
