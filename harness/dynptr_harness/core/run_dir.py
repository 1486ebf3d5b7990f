"""The directory for the consoles of a run."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from dynptr_harness.core.errors import EnvironmentFailed

KEPT = 20  # number of runs


def create(cache: Path) -> Path:
    """Create a directory for this run below `cache`, and remove the oldest ones of runs that have ended.

    Raises:
        EnvironmentFailed: the directory cannot be created.
    """
    runs = cache / "runs"
    directory = runs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailed(
            f"cannot create the directory {directory}: {error.strerror}",
            "free some space there, or set DYNPTR_HARNESS_CACHE to a writable directory",
        ) from error
    for old in sorted(runs.iterdir())[:-KEPT]:
        if not Path("/proc", old.name.rpartition("-")[2]).exists():
            shutil.rmtree(old, ignore_errors=True)
    return directory
