"""The command line. Each module holds a group of commands; the work is in `dynptr_harness.commands`."""

from __future__ import annotations

import sys
from typing import NoReturn

from dynptr_harness.cli import cases, guest, kernels, results, run  # noqa: F401  (each registers its commands)
from dynptr_harness.cli.app import PROGRAM, app, say
from dynptr_harness.core import signals
from dynptr_harness.core.errors import ExitStatus, HarnessError


def main() -> NoReturn:
    """Run the command. Every error ends in one message and an exit status."""
    try:
        app(prog_name=PROGRAM)
    except signals.Interrupted as interrupted:
        say(f"interrupted by {interrupted.name}")
        sys.exit(interrupted.status)
    except HarnessError as error:
        say(error.fact, error.hint)
        sys.exit(error.status)
    except Exception as error:
        import tempfile
        import traceback

        with tempfile.NamedTemporaryFile("w", prefix=f"{PROGRAM}-", suffix=".txt", delete=False) as file:
            file.write(traceback.format_exc())
        say(
            f"unexpected {type(error).__name__}: {error}",
            f"a defect of {PROGRAM}; its trace is in {file.name}",
        )
        sys.exit(ExitStatus.ENVIRONMENT_FAILED)
    sys.exit()
