"""Reading of result files and directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.results.json_reader import from_json
from dynptr_harness.results.merge import merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dynptr_harness.results.model import RunResult


def read(paths: Sequence[Path]) -> RunResult:
    """Read results and merge them. A directory stands for its *.json files.

    Raises:
        WrongUsage: a file is missing or not a result, or results contradict each other.
    """
    return merge([(str(file), _read(file)) for path in paths for file in _files(path)])


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.json"))
    if not files:
        raise WrongUsage(f"no *.json in the directory {path}", "give a result, or a directory of results")
    return files


def _read(path: Path) -> RunResult:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise WrongUsage(
            f"cannot read the result {path}: {error.strerror}", "give a file that `run --json` wrote"
        ) from error
    return from_json(text, str(path))
