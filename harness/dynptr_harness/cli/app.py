"""The application that the commands register with."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from dynptr_harness import __version__
from dynptr_harness.core import signals
from dynptr_harness.core.text import printable

PROGRAM = "dynptr-harness"

app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(value: bool) -> None:
    """Print the version and end, if asked to."""
    if value:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Exit status: 0 all as expected, 1 something is not, 2 wrong usage, 3 nothing can be said "
    "because the environment failed, 128+N ended by signal N."
)
def root(
    *,
    version: Annotated[  # noqa: ARG001  (its callback does the work)
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Tell, with evidence, whether a real Linux kernel implements bpf_ringbuf_reserve_dynptr correctly.

    **run** boots a kernel in a virtual machine, loads BPF programs into each program type, fires real
    events, reads the ring buffer and judges what was seen. Nothing is loaded into this machine's own kernel,
    but by --kernel host.
    """
    signals.raise_on_signals()
    if os.environ.get("DYNPTR_HARNESS_UNTIL_EOF"):  # set by dynptr_harness.containers.rerun
        signals.raise_when_stdin_ends()
    logging.getLogger().addHandler(_Warnings(logging.WARNING))


def say(fact: str, hint: str = "") -> None:
    """One message of the program on standard error, with what mends it."""
    print(printable(f"{PROGRAM}: {fact}" + (f"\n  {hint}" if hint else "")), file=sys.stderr)


class _Warnings(logging.Handler):
    """What the parts warn of, in the form of the other messages."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"warning: {record.getMessage()}")
