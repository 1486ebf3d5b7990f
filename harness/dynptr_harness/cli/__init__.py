"""The command line. Each module holds a group of commands; the work is in `dynptr_harness.commands`."""

from __future__ import annotations

import sys
from typing import NoReturn

from dynptr_harness.cli import (  # noqa: F401  (each registers its commands)
    bisect,
    cache,
    cases,
    fuzz,
    guest,
    kconfig,
    kernels,
    results,
    run,
)
from dynptr_harness.cli.app import BISECT_EXIT, PROGRAM, SKIP, app, say
from dynptr_harness.core import shortage, signals, streams
from dynptr_harness.core.errors import ExitStatus, HarnessError


def main() -> NoReturn:
    """Run the command. Report every error with one message and an exit status.

    Status 1 comes only from a command that judged a kernel or a program.
    """
    streams.guard()
    status = _status()
    sys.exit(_for_git_bisect(status) if BISECT_EXIT in sys.argv else status)


def _status() -> int | str | None:
    try:
        try:
            with shortage.reported("the command cannot continue"):
                app(prog_name=PROGRAM)
        except signals.Interrupted:
            raise
        except SystemExit as ended:
            sys.stdout.flush()
            return ended.code
        sys.stdout.flush()
    except signals.Interrupted as interrupted:
        say(f"interrupted by {interrupted.name}")
        return interrupted.status
    except streams.ReaderClosed:
        return streams.READER_CLOSED
    except HarnessError as error:
        say(error.fact, error.hint)
        return error.status
    except Exception as error:
        return _defect(error)
    return 0


def _for_git_bisect(status: int | str | None) -> int:
    """Return 0, 1, or 125 to skip a commit without a verdict. A signal ends `git bisect run`, as always."""
    number = int(status or 0)
    return number if number <= 1 or number > SKIP else SKIP


def _defect(error: Exception) -> ExitStatus:
    """Report an exception that is a bug."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile("w", prefix=f"{PROGRAM}-", suffix=".txt", delete=False) as file:
            file.write(traceback.format_exc())
        place = f"its trace is in {file.name}"
    except OSError:
        place = f"its trace follows\n{traceback.format_exc()}"
    say(f"unexpected {type(error).__name__}: {error}", f"a bug in {PROGRAM}; {place}")
    return ExitStatus.DEFECT
