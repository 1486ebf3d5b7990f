"""The folder in which the consoles of one run are kept."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from dynptr_harness.core.errors import EnvironmentFailed

KEPT = 20  # runs whose consoles are kept


def create(cache: Path) -> Path:
    """A new folder for this run under `cache`; the oldest ones of runs that ended are removed.

    Raises:
        EnvironmentFailed: the folder cannot be made.
    """
    runs = cache / "runs"
    folder = runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailed(
            f"cannot make the folder {folder}: {error.strerror}",
            "make room there, or set DYNPTR_HARNESS_CACHE to a folder that can be written",
        ) from error
    for old in sorted(runs.iterdir())[:-KEPT]:
        if not Path("/proc", old.name.rpartition("-")[2]).exists():
            shutil.rmtree(old, ignore_errors=True)
    return folder
