"""Commands for what a person wants to do with a guest: a shell in it, a command, programs of their own."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003  (typer reads annotations)
from typing import TYPE_CHECKING, Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app, say
from dynptr_harness.cli.options import (
    Accel,
    AccelOption,
    AppendOption,
    JsonFlag,
    KernelOption,
    ModulesOption,
    OfflineFlag,
    QuietFlag,
    SnapshotFlag,
    console_on,
    progress_for,
    settings_for,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dynptr_harness.vm.launcher import Machines, Options

CONSOLE_LINES = 30  # that are shown when a machine has failed

OneKernelOption = Annotated[
    str,
    typer.Option(
        "--kernel", "-k", metavar="KERNEL", help="As for `run`, but one.", autocompletion=completion.kernels
    ),
]


@app.command(context_settings={"allow_interspersed_args": False})
def exec(  # noqa: A001  (the name of the command)
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")
    ],
    *,
    kernel: OneKernelOption = "6.12",
    modules: ModulesOption = None,
    append: AppendOption = None,
    offline: OfflineFlag = False,
    accel: AccelOption = Accel.AUTO,
    snapshot: SnapshotFlag = True,
    quiet: QuietFlag = False,
) -> None:
    """Run one command in a guest: its input, output, errors and exit status are those of this command.

    The guest is Debian with BCC for python3, bpftool, ip and busybox, without a network; the C programs are
    in /payload/bpf_src. Nothing that is changed there outlasts the command.

    Examples:

    * `dynptr-harness exec -- bpftool feature probe kernel`
    * `dynptr-harness exec --kernel 6.1 -- python3 - < script.py`
    """
    from dynptr_harness.commands import exec as guest_command

    machines = _one(kernel, modules, append, accel, offline=offline, snapshot=snapshot, quiet=quiet)
    with _console_told():
        (subject,) = machines.subjects
        raise typer.Exit(machines.visit(subject, lambda machine: guest_command.run(machine, command)))


@app.command()
def shell(
    *,
    kernel: OneKernelOption = "6.12",
    modules: ModulesOption = None,
    append: AppendOption = None,
    offline: OfflineFlag = False,
    accel: AccelOption = Accel.AUTO,
    snapshot: SnapshotFlag = True,
    quiet: QuietFlag = False,
) -> None:
    """Open a shell in a guest, as root, with what `exec` has there.

    `exit` or Ctrl-D ends it, Ctrl-] also where the guest heeds no key any more.
    """
    from dynptr_harness.commands import exec as guest_command
    from dynptr_harness.commands.raw_terminal import Terminal

    terminal = Terminal()
    machines = _one(kernel, modules, append, accel, offline=offline, snapshot=snapshot, quiet=quiet)
    with _console_told():
        (subject,) = machines.subjects
        if not quiet:
            say(f"Linux {subject.kernel.release}; exit or Ctrl-D ends the shell, Ctrl-] in any case")
        raise typer.Exit(machines.visit(subject, lambda machine: guest_command.shell(machine, terminal)))


@app.command()
def probe(
    file: Annotated[Path, typer.Argument(metavar="FILE.c", help="Your C file.", show_default=False)],
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006  (typer copies it)
    prog_type: Annotated[
        list[str] | None,
        typer.Option(
            "--prog-type",
            "-t",
            metavar="TYPE",
            help="Load into these types; globs allowed. Else as SEC() says, and a file without: into all.",
            autocompletion=completion.prog_types,
        ),
    ] = None,
    function: Annotated[
        list[str] | None, typer.Option("--function", "-f", metavar="NAME", help="Only these programs.")
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Show the whole log of the verifier.")] = False,
    as_json: JsonFlag = False,
    append: AppendOption = None,
    offline: OfflineFlag = False,
    accel: AccelOption = Accel.AUTO,
    snapshot: SnapshotFlag = True,
    quiet: QuietFlag = False,
) -> None:
    """Load programs of yours on kernels: accepted, or the verifier's reason. Nothing is attached or run.

    A file with SEC() is compiled by clang on this machine, for libbpf; any other in the guest, by BCC, which
    finds no headers of the kernel but those of BPF itself. Both find those of bpf_src/include.

    Exit status: 0 all accepted, 1 some refused, 2 clang does not take the file, 3 the environment failed.

    Examples:

    * `dynptr-harness probe trace.bpf.c --kernel oldest --kernel newest`
    * `dynptr-harness probe filter.c -t XDP -t 'SCHED_*' --kernel 6.1 --log`
    """
    import json

    from dynptr_harness.commands import probe as probing
    from dynptr_harness.commands.user_program import CompileFailed, UserProgram
    from dynptr_harness.report.probe import ProbeReport, as_document
    from dynptr_harness.vm.launcher import Machines

    def heard(diagnostics: str) -> None:
        print(diagnostics, end="", file=sys.stderr)

    try:
        source = UserProgram.read(file)
        wanted = probing.Wanted(tuple(function or ()), tuple(prog_type or ()))
        wanted.prog_types_for(source)
        options = _options(None, append, accel, snapshot=snapshot)
        settings, progress = settings_for(offline=offline), progress_for(quiet=quiet)
        machines = Machines(kernel, options, settings=settings, progress=progress)
        with _console_told():
            answers = probing.probe(machines, source, wanted, progress, heard)
    except CompileFailed as failed:
        heard(failed.diagnostics)
        raise
    if as_json:
        print(json.dumps(as_document(answers, str(file), source.loader), indent=1))
    else:
        out = console_on()
        out.print(ProbeReport(answers, with_log=log), soft_wrap=not out.is_terminal)
    raise typer.Exit(not all(answer.accepted for answer in answers))


@app.command()
def demo(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="As --list has it.", autocompletion=completion.demonstrations),
    ] = None,
    *,
    list_all: Annotated[bool, typer.Option("--list", help="List what can be shown.")] = False,
    kernel: OneKernelOption = "6.12",
    modules: ModulesOption = None,
    append: AppendOption = None,
    offline: OfflineFlag = False,
    accel: AccelOption = Accel.AUTO,
    snapshot: SnapshotFlag = True,
    quiet: QuietFlag = False,
) -> None:
    """Show an example at work: its C source, the event that fires it, and each record with its meaning.

    Examples:

    * `dynptr-harness demo --list`
    * `dynptr-harness demo variable-size`
    * `dynptr-harness demo lsm --kernel 6.1`
    """
    from dynptr_harness.commands import demo as demos
    from dynptr_harness.conformance.loader import load
    from dynptr_harness.core.errors import WrongUsage
    from dynptr_harness.core.text import columns
    from dynptr_harness.report.case_detail import c_source

    catalogue, out = load(), console_on()
    if list_all:
        rows = [(each.name, each.about) for each in demos.demonstrations(catalogue)]
        out.print("\n".join(columns(rows)), markup=False, soft_wrap=True)
        return
    if not name:
        raise WrongUsage("nothing to show was named", "`dynptr-harness demo --list` lists what there is")
    chosen = demos.find(name, catalogue)
    machines = _one(kernel, modules, append, accel, offline=offline, snapshot=snapshot, quiet=quiet)
    out.print(f"bpf_src/{chosen.path}\n", style="bold", soft_wrap=True)
    out.print(c_source(catalogue.texts[chosen.path], highlighted=out.is_terminal), "")
    with _console_told():
        (subject,) = machines.subjects
        raise typer.Exit(machines.visit(subject, lambda machine: chosen.show(machine, out)))


def _one(
    kernel: str,
    modules: Path | None,
    append: list[str] | None,
    accel: Accel,
    *,
    offline: bool,
    snapshot: bool,
    quiet: bool,
) -> Machines:
    """Machines of one kernel."""
    from dynptr_harness.core.errors import WrongUsage
    from dynptr_harness.kernels import choose
    from dynptr_harness.vm.launcher import Machines

    settings, progress = settings_for(offline=offline), progress_for(quiet=quiet)
    options = _options(modules, append, accel, snapshot=snapshot)
    choices = choose([kernel], settings=settings, progress=progress, modules=modules)
    if len(choices) > 1:
        raise WrongUsage(f"{kernel!r} means {len(choices)} kernels", "name one, such as 6.12")
    return Machines([kernel], options, settings=settings, progress=progress)


def _options(modules: Path | None, append: list[str] | None, accel: Accel, *, snapshot: bool) -> Options:
    from dynptr_harness.vm import cmdline
    from dynptr_harness.vm.launcher import Options

    return Options(modules, accel.value, cmdline.words(append or ()), snapshot=snapshot)


@contextmanager
def _console_told() -> Iterator[None]:
    """When a machine fails, the last words of its console are told before the message about it."""
    from dynptr_harness.core.text import console_part
    from dynptr_harness.vm.failures import MachineFailed

    try:
        yield
    except MachineFailed as failed:
        print(*console_part(failed.tail, CONSOLE_LINES), sep="\n", file=sys.stderr)
        raise
