"""Options that several commands share, and the settings and consoles built from them."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

import typer

from dynptr_harness.cli import completion
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.settings import Settings
from dynptr_harness.kernels import selector_help

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.vm.launcher import Options

PIPE_WIDTH = 120  # columns of output to a pipe or a file, unless COLUMNS is set

T = TypeVar("T")


class Accel(StrEnum):
    """The choices of --accel."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class Loader(StrEnum):
    """The choices of --loader."""

    BCC = "bcc"
    LIBBPF = "libbpf"


class RunIn(StrEnum):
    """The choices of --in."""

    HERE = "here"
    DOCKER = "docker"


KernelOption = Annotated[
    list[str],
    typer.Option(
        "--kernel",
        "-k",
        metavar="KERNEL",
        help=f"Kernel to use; repeatable: {selector_help()}, or host for the running kernel. See `kernels`.",
        autocompletion=completion.kernels,
    ),
]
ProbeKernelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--kernel",
        "-k",
        metavar="KERNEL",
        help="Kernel to load into; repeatable, selected as for `run`. Default: 6.12; with --minimum, all.",
        autocompletion=completion.kernels,
        show_default=False,
    ),
]
OneKernelOption = Annotated[
    str,
    typer.Option(
        "--kernel",
        "-k",
        metavar="KERNEL",
        help="Kernel to boot, selected as for `run`.",
        autocompletion=completion.kernels,
    ),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option(
        metavar="RESULT",
        help="Compare with this result (`-`: standard input), or with the results in this directory.",
    ),
]
ProgTypesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--prog-type",
        "-t",
        metavar="TYPE",
        help="Run only these program types; globs allowed. See `types`.",
        autocompletion=completion.prog_types,
    ),
]
CasesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--case",
        "-c",
        metavar="CASE",
        help="Run only these cases; globs allowed. See `cases`.",
        autocompletion=completion.cases,
    ),
]
CaseTimeoutOption = Annotated[
    int | None,
    typer.Option(
        "--case-timeout",
        min=1,
        metavar="SECONDS",
        help="Time for one cell; then it is a `hang`. Default: 60.",
        show_default=False,
    ),
]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show the progress.")]
OfflineFlag = Annotated[bool, typer.Option("--offline", help="Use the cache only; fetch nothing.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ModulesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Modules of a kernel given as a file. Without it, everything needed must be built in.",
    ),
]


@dataclass(frozen=True)
class BootOptions:
    """Options of every command that boots kernels. Each field is declared as an option of typer."""

    append: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARGS",
            help="Add kernel arguments, such as 'nokaslr slub_debug=FZ'. Arguments that would break the "
            "harness are rejected.",
            show_default=False,
        ),
    ] = None
    offline: OfflineFlag = False
    accel: Annotated[
        Accel, typer.Option("--accel", help="Accelerator of QEMU; auto uses KVM if it works.")
    ] = Accel.AUTO
    snapshot: Annotated[
        bool, typer.Option(help="Start from a snapshot of the ready guest; create it if there is none.")
    ] = True

    def options(self) -> Options:
        """Return the options of a machine."""
        from dynptr_harness.vm.launcher import Options

        append = tuple(self.append or ())
        return Options(accelerator=self.accel.value, append=append, snapshot=self.snapshot)

    def settings(self) -> Settings:
        """Return the settings of the environment, with --offline applied."""
        return settings_for(offline=self.offline)


@dataclass(frozen=True)
class ProbeOptions(BootOptions):
    """Options of `probe`."""

    quiet: QuietFlag = False

    def progress(self) -> Progress:
        """Return the progress display on standard error; silent with --quiet."""
        return progress_for(quiet=self.quiet)


@dataclass(frozen=True)
class GuestOptions(ProbeOptions):
    """Options of the commands that boot a guest of one kernel."""

    modules: ModulesOption = None

    def options(self) -> Options:
        """Return the options of a machine, with its modules."""
        return replace(super().options(), modules=self.modules)


@dataclass(frozen=True)
class BareOptions(GuestOptions):
    """Options of the commands that run a user's command in a guest without programs of ours."""

    share: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Copy this directory into the guest, read-only, as /share."),
    ] = None

    def options(self) -> Options:
        """Return the options of a machine, with its shared directory.

        Raises:
            WrongUsage: `share` is not a directory.
        """
        if self.share and not self.share.is_dir():
            raise WrongUsage(f"--share {self.share} is not a directory", "name a directory")
        return replace(super().options(), bare=True, share=self.share)


@dataclass(frozen=True)
class RunOptions(BootOptions):
    """Options of `run` for its machines."""

    modules: ModulesOption = None
    cpus: Annotated[int, typer.Option(min=1, max=64, metavar="N", help="Number of CPUs of the guest.")] = 2
    memory: Annotated[int, typer.Option(min=512, metavar="MIB", help="Memory of the guest in MiB.")] = 1024
    boot_timeout: Annotated[
        int, typer.Option("--boot-timeout", min=1, metavar="SECONDS", help="Time for the boot of a guest.")
    ] = 120

    def options(self) -> Options:
        """Return the options of a machine, with its modules, CPUs, memory and time to boot."""
        return replace(
            super().options(),
            modules=self.modules,
            cpus=self.cpus,
            memory_mib=self.memory,
            boot_seconds=self.boot_timeout,
        )


@dataclass(frozen=True)
class BisectOptions(RunOptions):
    """Options of `bisect` for its machines. No kernel is booted twice, so no snapshot is saved."""

    snapshot: Annotated[bool, typer.Option(help="Save and use snapshots of the ready guests.")] = False


def schema_option(name: str) -> Any:
    """Return the option --schema, which prints a JSON Schema and exits. Its parameter is not used.

    Args:
        name: 'result', or one of `dynptr_harness.report.schemas.NAMES`.
    """

    def show(value: bool) -> None:
        if not value:
            return
        from dynptr_harness.report import schemas
        from dynptr_harness.results import json_format

        print(json_format.schema_text() if name == "result" else schemas.schema_text(name), end="")
        raise typer.Exit

    return typer.Option(
        "--schema", callback=show, is_eager=True, help="Print the schema of the JSON and exit."
    )


def expand_options(command: Callable[..., T]) -> Callable[..., T]:
    """Replace a command's parameter `boot` by an option for each field of its dataclass.

    Typer reads the options from the signature. The command gets the dataclass.
    """
    signature = inspect.signature(command, eval_str=True)
    declared = signature.parameters["boot"].annotation
    hints = get_type_hints(declared, include_extras=True)
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(declared)
    ]

    @wraps(command)
    def called(**values: Any) -> T:
        boot = declared(**{option.name: values.pop(option.name) for option in options})
        return command(boot=boot, **values)

    own = [each for each in signature.parameters.values() if each.name != "boot"]
    parameters = [*own, *options]
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def settings_for(*, offline: bool = False) -> Settings:
    """Return the settings of the environment, with `offline` applied."""
    settings = Settings.from_environment()
    return replace(settings, offline=settings.offline or offline)


def console_on(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.file.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def terminal_width() -> int | None:
    """Return the width of the terminal on standard output, or None for a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def progress_for(*, quiet: bool) -> Progress:
    """Return the progress display on standard error; silent if `quiet`."""
    from dynptr_harness.core.progress import Silent
    from dynptr_harness.report.console_progress import for_console

    return Silent() if quiet else for_console(console_on(stderr=True))
