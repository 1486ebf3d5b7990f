"""What several commands share: options, and the console that they write to."""

from __future__ import annotations

import os
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.core.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from dynptr_harness.core.progress import Progress

PIPE_WIDTH = 120  # of what is written where there is no terminal, unless COLUMNS says otherwise


class Accel(StrEnum):
    """The choices of --accel."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class CpuSlot(StrEnum):
    """The choices of --in."""

    HERE = "here"
    DOCKER = "docker"


KernelOption = Annotated[
    list[str],
    typer.Option(
        "--kernel",
        "-k",
        metavar="KERNEL",
        help="A series (6.12), a release or its leading part (6.12.107), a pattern ('6.*'), oldest, newest, "
        "all, the path of a bzImage, oci:IMAGE for one out of a container image; once for each. host is the "
        "running kernel. See `kernels`.",
        autocompletion=completion.kernels,
    ),
]
ModulesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Modules of a kernel given as a file; without it everything needed must be built in.",
    ),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option(metavar="RESULT", help="Compare with this result, or with those in this folder."),
]
AppendOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ARGS",
        help="Further kernel arguments, such as 'nokaslr slub_debug=FZ'; those that would break the "
        "harness are refused.",
        show_default=False,
    ),
]
AccelOption = Annotated[Accel, typer.Option("--accel", help="auto takes KVM where it has proved to work.")]
SnapshotFlag = Annotated[
    bool, typer.Option(help="Start from a snapshot of the ready guest; made where there is none.")
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show the progress.")]
OfflineFlag = Annotated[bool, typer.Option("--offline", help="Fetch nothing: what the cache has must do.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="As JSON.")]


def settings_for(*, offline: bool = False) -> Settings:
    """The settings of the environment, as an option changes them."""
    settings = Settings.from_environment()
    return replace(settings, offline=settings.offline or offline)


def console_on(*, stderr: bool = False) -> Console:
    """The console on standard output, or on standard error."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.file.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def progress_for(*, quiet: bool) -> Progress:
    """What shows the progress on standard error, or nothing."""
    from dynptr_harness.core.progress import Silent
    from dynptr_harness.report.console_progress import for_console

    return Silent() if quiet else for_console(console_on(stderr=True))
