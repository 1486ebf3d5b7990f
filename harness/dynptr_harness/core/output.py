"""Files that a person asked for: found wrong before the work begins, complete when they appear."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def check(option: str, path: Path) -> None:
    """See that `path` can be written.

    Args:
        option: the option that named it, for messages.

    Raises:
        WrongUsage: its folder does not exist or cannot be written, or it is a folder itself.
    """
    folder = path.resolve().parent
    if path.is_dir():
        raise WrongUsage(f"{option} {path} is a folder", "name a file in it")
    if not folder.is_dir():
        raise WrongUsage(f"{option} {path}: there is no folder {folder}", f"make it first: mkdir -p {folder}")
    if not os.access(path if _is_special(path) else folder, os.W_OK):
        raise WrongUsage(f"{option} {path}: no permission to write in {folder}", "choose another folder")


def check_all(files: Mapping[str, Path | None]) -> None:
    """See that every file can be written that an option names, and that no two name the same.

    Args:
        files: by option; None where it was not given.

    Raises:
        WrongUsage: as `check`, or two are the same.
    """
    options: dict[Path, str] = {}
    for option, path in files.items():
        if not path:
            continue
        check(option, path)
        first = options.setdefault(path.resolve(), option)
        if first != option:
            raise WrongUsage(f"{first} and {option} both name {path}", "name two files")


def write(path: Path, content: bytes) -> None:
    """Write all of `content`, beside and then renamed; a pipe or device is written to as it is.

    Raises:
        EnvironmentFailed: the disk is full, or the folder has gone.
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
            f"cannot write {path}: {error.strerror}", "make room, or name another file"
        ) from error


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()
