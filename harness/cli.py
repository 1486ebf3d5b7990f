"""The command line: arguments in, calls out."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness import __version__, complete, interrupt
from harness.default_command import WithDefault
from harness.errors import ExitStatus, HarnessError
from harness.report.text import printable
from harness.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

PROGRAM = "dynptr-harness"
PIPE_WIDTH = 120  # of what is written where there is no terminal, unless COLUMNS says otherwise

app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cases_app = typer.Typer(cls=WithDefault)
app.add_typer(
    cases_app,
    name="cases",
    help="List the cases of the catalogue, or show one: `cases`, `cases 'RSV-*'`, `cases show RSV-011`.",
)


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
    events, reads the ring buffer and judges what was seen. Nothing is loaded into this machine's own kernel.
    """
    interrupt.raise_on_signals()
    logging.getLogger().addHandler(_Warnings(logging.WARNING))


@app.command()
def run(
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006  (typer copies it)
    prog_type: Annotated[
        list[str] | None,
        typer.Option(
            "--prog-type",
            "-t",
            metavar="TYPE",
            help="Only these program types; globs allowed. See `types`.",
            autocompletion=complete.prog_types,
        ),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(
            "--case",
            "-c",
            metavar="CASE",
            help="Only these cases; globs allowed. See `cases`.",
            autocompletion=complete.cases,
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write results as JSON.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write results as JUnit XML.")
    ] = None,
    modules: ModulesOption = None,
    accel: Annotated[Accel, typer.Option(help="auto takes KVM where it has proved to work.")] = Accel.AUTO,
    cpus: Annotated[int, typer.Option(min=1, max=64, help="Processors of the guest.")] = 2,
    memory: Annotated[int, typer.Option(min=512, metavar="MIB", help="Memory of the guest in MiB.")] = 1024,
    snapshot: Annotated[
        bool, typer.Option(help="Start from a snapshot of the ready guest; made where there is none.")
    ] = True,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what is not as expected, and the summary.")
    ] = False,
) -> None:
    """Boot kernels and ask them every case in every program type.

    Examples:

    * `dynptr-harness run`
    * `dynptr-harness run --kernel 6.1 --kernel 7.3 --json results.json`
    * `dynptr-harness run -t 'CGROUP_*' -t lsm -c 'RSV-*'`
    * `dynptr-harness run --kernel arch/x86/boot/bzImage --quiet`
    """
    from harness.run import Request
    from harness.run import run as run_all

    request = Request(
        kernels=tuple(kernel),
        prog_types=tuple(prog_type or ()),
        cases=tuple(case or ()),
        json_file=json_file,
        junit_file=junit_file,
        modules=modules,
        accelerator=accel.value,
        cpus=cpus,
        memory_mib=memory,
        snapshot=snapshot,
        quiet=quiet,
    )
    status = run_all(request, settings=Settings.from_environment(), out=_console(), err=_console(stderr=True))
    raise typer.Exit(status)


@app.command()
def setup(*, kernel: KernelOption = ["6.12"], modules: ModulesOption = None) -> None:  # noqa: B006
    """Make kernels and the guest image ready, so that a run can begin at once."""
    from harness.prepare import prepare
    from harness.report.progress import for_console

    subjects, image = prepare(
        kernel,
        settings=Settings.from_environment(),
        progress=for_console(_console(stderr=True)),
        modules=modules,
    )
    for subject in subjects:
        accelerator = f"{subject.accelerator.name}: {subject.accelerator.reason}"
        print(f"Linux {subject.kernel.release} is ready ({accelerator})")
    print(f"guest image: {image.root}")


@app.command()
def doctor() -> None:
    """Check QEMU, KVM, disk, tools and mirror, and say how to mend what is missing; status 3 if one fails."""
    from harness.doctor import State, examine
    from harness.report.findings import as_table
    from harness.report.progress import for_console

    findings = list(examine(Settings.from_environment(), for_console(_console(stderr=True))))
    _console().print(as_table(findings))
    failed = any(finding.state is State.FAIL for finding in findings)
    raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED if failed else ExitStatus.AS_EXPECTED)


@app.command()
def types(*, as_json: JsonFlag = False) -> None:
    """List the program types, and the event that fires each."""
    from harness.conformance.catalogue import PROG_TYPES

    rows = [{"prog_type": each.name, "event": each.event} for each in PROG_TYPES]
    _list(rows, as_json=as_json)


@cases_app.command("list")
def list_cases(
    *,
    case: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CASE]...",
            help="Only these cases; globs allowed.",
            show_default=False,
            autocompletion=complete.cases,
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            "-g",
            metavar="GROUP",
            help="Only these groups, the letters of an ID; globs allowed.",
            autocompletion=complete.groups,
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List cases: ID, group, program types, loaders and title; then what is no test, with the reason.

    This is what `cases` does when no command is named.
    """
    from harness.report.case_list import as_document, as_lines
    from harness.sound_catalogue import load

    catalogue = load()
    chosen = catalogue.choose(case or (), group or ())
    if as_json:
        print(json.dumps(as_document(*chosen, catalogue.prog_types), indent=1))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in as_lines(*chosen, catalogue.prog_types, width):
        print(line)


@cases_app.command("show")
def show_cases(
    case: Annotated[
        list[str],
        typer.Argument(metavar="CASE...", help="IDs; globs allowed.", autocompletion=complete.cases),
    ],
) -> None:
    """Show a case: what is done, what must come of it on which kernels, why, and the C program."""
    from harness.report.case_report import CaseReport
    from harness.sound_catalogue import load

    catalogue = load()
    found, exceptions = catalogue.choose(case)
    console = _console()
    for number, each in enumerate(found):
        report = CaseReport(each, catalogue.prog_types, catalogue.programs)
        console.print(*([""] if number else []), report, sep="\n", soft_wrap=not console.is_terminal)
    for name, reason in exceptions.items():
        console.print(
            f"{name}  no test of its own: {reason}", markup=False, soft_wrap=not console.is_terminal
        )


def main() -> NoReturn:
    """Run the command; whatever goes wrong ends in one message and an exit status."""
    try:
        app(prog_name=PROGRAM)
    except interrupt.Interrupted as interrupted:
        _say(f"interrupted by {interrupted.name}")
        sys.exit(interrupted.status)
    except HarnessError as error:
        _say(error.fact, error.mend)
        sys.exit(error.status)
    except Exception as error:
        import tempfile
        import traceback

        with tempfile.NamedTemporaryFile("w", prefix=f"{PROGRAM}-", suffix=".txt", delete=False) as file:
            file.write(traceback.format_exc())
        _say(
            f"unexpected {type(error).__name__}: {error}",
            f"a defect of {PROGRAM}; its trace is in {file.name}",
        )
        sys.exit(ExitStatus.ENVIRONMENT_FAILED)
    sys.exit()


def _say(fact: str, mend: str = "") -> None:
    print(printable(f"{PROGRAM}: {fact}" + (f"\n  {mend}" if mend else "")), file=sys.stderr)


class _Warnings(logging.Handler):
    """What the parts warn of, in the form of the other messages."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(f"warning: {record.getMessage()}")


def _list(rows: list[dict[str, str]], *, as_json: bool) -> None:
    """The rows as JSON, or the first two fields of each as aligned text."""
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    width = max(len(next(iter(row.values()))) for row in rows)
    for row in rows:
        name, meaning, *_ = row.values()
        print(f"{name:{width}}  {meaning}")


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, emoji=False)
    if not console.file.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
