"""The application that the commands register with."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from dynptr_harness import __version__
from dynptr_harness.cli import config
from dynptr_harness.core import signals
from dynptr_harness.core.text import printable

PROGRAM = "dynptr-harness"
BISECT_EXIT = "--bisect-exit"  # an option of `run`
SKIP = 125  # `git bisect run` skips a commit with this exit status

# The panels of --help and their commands, the most used first.
PANELS = {
    "Run": ("run", "bisect", "probe", "fuzz", "fuzz-programs", "demo"),
    "Results": ("report", "diff", "merge", "baseline", "docs"),
    "Explore": ("cases", "types", "kernels", "kconfig"),
    "Guests": ("shell", "exec"),
    "Set up": ("setup", "doctor", "cache", "matrix"),
}
_PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}


class Group(TyperGroup):
    """A group of commands. Its help lists commands by panel, and flags without a type."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of `PANELS`."""
        order = list(_PANEL_OF)
        names: list[str] = super().list_commands(ctx)
        return sorted(names, key=lambda name: order.index(name) if name in order else len(order))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, with its panel, or None."""
        command: Any = super().get_command(ctx, cmd_name)
        if command:
            _hide_flag_types(command, ctx)
            if self.name == PROGRAM:
                command.rich_help_panel = _PANEL_OF.get(cmd_name)
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group."""
        _hide_flag_types(self, ctx)
        super().format_help(ctx, formatter)


def _hide_flag_types(command: Any, ctx: Any) -> None:
    """Remove the '<bool>' that typer shows beside each flag."""
    for param in command.get_params(ctx):
        if isinstance(param, TyperOption) and param.is_flag:
            param.metavar = ""


app = typer.Typer(
    name=PROGRAM,
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(value: bool) -> None:
    """Print the version and exit if the option is given."""
    if value:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Exit status: 0 all cells as expected, 1 a cell is not, 2 wrong usage, 3 no verdict because the "
    "environment failed, 4 a bug in this program, 128+N ended by signal N."
)
def root(
    ctx: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001  (its callback does the work)
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Check whether a Linux kernel implements bpf_ringbuf_reserve_dynptr correctly.

    **run** boots a kernel in a virtual machine, loads BPF programs of each program type, triggers real
    events, reads the ring buffer and judges the result. Only `--kernel host` loads programs into the kernel
    of this machine.
    """
    signals.raise_on_signals()
    config.apply(ctx)
    if os.environ.get("DYNPTR_HARNESS_UNTIL_EOF"):  # set by dynptr_harness.containers.rerun
        signals.raise_when_stdin_ends()
    logging.getLogger().addHandler(_Warnings(logging.WARNING))


def say(fact: str, hint: str = "") -> None:
    """Print a message to standard error, with an optional hint below it."""
    print(printable(f"{PROGRAM}: {fact}" + (f"\n  {hint}" if hint else "")), file=sys.stderr)


class _Warnings(logging.Handler):
    """Prints log warnings with `say`."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"warning: {record.getMessage()}")
