"""What several commands share: options, and the console that they write to."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import complete

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 120  # of what is written where there is no terminal, unless COLUMNS says otherwise


class Accel(StrEnum):
    """The choices of --accel."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


KernelOption = Annotated[
    list[str],
    typer.Option(
        "--kernel",
        "-k",
        metavar="KERNEL",
        help="A series (6.12), an exact release (6.12.107+deb13-cloud-amd64) or the path of a bzImage.",
        autocompletion=complete.kernels,
    ),
]
ModulesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Modules of a kernel given as a file; without it everything needed must be built in.",
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="As JSON.")]


def console_on(*, stderr: bool = False) -> Console:
    """The console on standard output, or on standard error."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.file.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
