"""Commands that run something in a guest: exec, shell, probe, demo."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003  (typer reads annotations)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app, say
from dynptr_harness.cli.options import (
    BareOptions,
    GuestOptions,
    JsonFlag,
    OneKernelOption,
    ProbeKernelOption,
    ProbeOptions,
    console_on,
    expand_options,
    schema_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.core.errors import ExitStatus, HarnessError
    from dynptr_harness.report.probe import Answer
    from dynptr_harness.vm.failures import MachineFailed
    from dynptr_harness.vm.launcher import Machines
    from dynptr_harness.vm.machine import Machine

CONSOLE_LINES = 30  # shown when a machine fails


@app.command(context_settings={"allow_interspersed_args": False})
@expand_options
def exec(  # noqa: A001  (the name of the command)
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")
    ],
    *,
    kernel: OneKernelOption = "6.12",
    tty: Annotated[
        bool, typer.Option("--tty", "-t", help="Run the command on this terminal; Ctrl-] ends it.")
    ] = False,
    boot: BareOptions,
) -> None:
    """Run a command in a guest.

    Standard input, output, error and the exit status are those of the command. The machine ends with the
    command, even if a process that it started still runs. The guest is Debian with BCC for python3,
    bpftool, ip and busybox, without a network. No BPF programs and maps are loaded at its start. The C
    programs are in /payload/bpf_src. Changes in the guest are discarded.

    Examples:

    * `dynptr-harness exec -- bpftool feature probe kernel`
    * `dynptr-harness exec --kernel 6.1 -- python3 - < script.py`
    * `dynptr-harness exec --share build -- /share/my-test`
    * `dynptr-harness exec -t -- busybox top`
    """
    from dynptr_harness.commands import exec as guest_command
    from dynptr_harness.commands.raw_terminal import Terminal

    terminal = Terminal("exec --tty", "leave out --tty") if tty else None

    async def run(machine: Machine) -> int:
        if terminal:
            return await guest_command.run_on_terminal(machine, command, terminal)
        return await guest_command.run(machine, command)

    machines = _machines_of_one(kernel, boot)
    with _console_on_failure():
        (prepared,) = machines.kernels
        raise typer.Exit(machines.visit(prepared, run))


@app.command()
@expand_options
def shell(
    *,
    kernel: OneKernelOption = "6.12",
    boot: BareOptions,
) -> None:
    """Open a root shell in a guest.

    `exit` or Ctrl-D ends it. Ctrl-] ends it even if the guest does not react to keys. The guest has the same
    tools as in `exec`.
    """
    from dynptr_harness.commands import exec as guest_command
    from dynptr_harness.commands.raw_terminal import Terminal

    terminal = Terminal()
    machines = _machines_of_one(kernel, boot)
    with _console_on_failure():
        (prepared,) = machines.kernels
        if not boot.quiet:
            say(f"Linux {prepared.kernel.release}; exit or Ctrl-D ends the shell, Ctrl-] if it hangs")
        raise typer.Exit(machines.visit(prepared, lambda machine: guest_command.shell(machine, terminal)))


@app.command()
@expand_options
def probe(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="C files or BPF objects to load; - reads C from standard input.",
            show_default=False,
        ),
    ],
    *,
    kernel: ProbeKernelOption = None,
    prog_type: Annotated[
        list[str] | None,
        typer.Option(
            "--prog-type",
            "-t",
            metavar="TYPE",
            help="Program types to load into; globs allowed. Default: the type in SEC(), or all types for a "
            "file without SEC().",
            autocompletion=completion.prog_types,
        ),
    ] = None,
    function: Annotated[
        list[str] | None,
        typer.Option("--function", "-f", metavar="NAME", help="Load only these functions; repeatable."),
    ] = None,
    minimum: Annotated[
        bool,
        typer.Option(
            "--minimum",
            help="Show the oldest kernel that each program loads on, and what newer ones change.",
        ),
    ] = False,
    log: Annotated[bool, typer.Option("--log", help="Show the whole verifier log.")] = False,
    as_json: JsonFlag = False,
    schema: Annotated[bool, schema_option("probe")] = False,  # noqa: ARG001
    boot: ProbeOptions,
) -> None:
    """Load BPF programs and show who refuses them, and why.

    The programs are only loaded, not attached or run. A C file with SEC() is compiled by clang on this
    machine and loaded by libbpf. Any other C file is compiled and loaded by BCC in the guest, where only the
    kernel's BPF headers are available. Both search bpf_src/include. BPF objects are loaded by libbpf. A
    program loads even if other programs or maps of its file cannot.

    Exit status: 0 all accepted, 1 some refused, 2 clang rejected a file, 3 the environment failed.

    With --minimum, every kernel is booted, by default the best of each series. If the environment fails on
    one, it is `not answered`. Exit status: 0 each program loads on a kernel and all newer ones, 1 a program
    does not, 3 this is not known because a kernel is not answered.

    Examples:

    * `dynptr-harness probe trace.bpf.c --kernel oldest --kernel newest`
    * `dynptr-harness probe filter.c -t XDP -t 'SCHED_*' --kernel 6.1 --log`
    * `dynptr-harness probe target/bpf/probe.o --json`
    * `dynptr-harness probe trace.bpf.c --minimum`
    """
    import json

    from dynptr_harness.commands import probe as probing
    from dynptr_harness.commands.user_program import CompileFailed, UserProgram
    from dynptr_harness.core.errors import WrongUsage
    from dynptr_harness.kernels.selectors import ALL
    from dynptr_harness.report.probe import ProbeReport, as_document
    from dynptr_harness.vm.launcher import Machines

    def show_diagnostics(diagnostics: str) -> None:
        print(diagnostics, end="", file=sys.stderr)

    if minimum and log:
        raise WrongUsage("--minimum shows no logs", "leave out --log, or use --json")
    failures = _Failures()
    on_failure = failures.add if minimum else None
    try:
        sources = [UserProgram.read(each) for each in files]
        wanted = probing.Wanted(tuple(function or ()), tuple(prog_type or ()))
        for source in sources:
            wanted.prog_types_for(source)
        progress = boot.progress()
        machines = Machines(
            kernel or [ALL if minimum else "6.12"],
            boot.options(),
            settings=boot.settings(),
            progress=progress,
            on_failure=on_failure,
        )
        with _console_on_failure():
            answers = probing.probe(machines, sources, wanted, progress, show_diagnostics, on_failure)
    except CompileFailed as failed:
        show_diagnostics(failed.diagnostics)
        if as_json:
            print(json.dumps(as_document([probing.not_compiled(failed)], [(failed.name, "")]), indent=1))
        raise
    document = as_document(answers, [(each.name, each.loader) for each in sources])
    if minimum:
        raise typer.Exit(_show_minimum(document, answers, failures.reasons, as_json=as_json))
    if as_json:
        print(json.dumps(document, indent=1))
    else:
        console_on().print(ProbeReport(answers, with_log=log), soft_wrap=True)
    raise typer.Exit(not all(answer.accepted for answer in answers))


class _Failures:
    """The kernels that are not answered, with the reason."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def add(self, kernel: str, error: HarnessError) -> None:
        """Add a kernel, and print the end of its console if its machine failed."""
        from dynptr_harness.vm.failures import MachineFailed

        self.reasons[kernel] = str(error)
        if isinstance(error, MachineFailed):
            _print_console(error)


def _show_minimum(
    document: dict[str, Any], answers: Sequence[Answer], not_answered: Mapping[str, str], *, as_json: bool
) -> ExitStatus:
    """Print the oldest kernel of each program. Return the exit status."""
    import json

    from dynptr_harness.core.errors import ExitStatus
    from dynptr_harness.report.minimum import MinimumReport, as_fields, minima

    programs = minima(answers, not_answered)
    if as_json:
        print(json.dumps(document | as_fields(programs, not_answered), indent=1))
    else:
        console_on().print(MinimumReport(programs, not_answered), soft_wrap=True)
    if any(each.changes for each in programs):  # no further answer can change this
        return ExitStatus.NOT_AS_EXPECTED
    if not_answered:
        return ExitStatus.ENVIRONMENT_FAILED
    wrong = not all(each.loads_from_then_on for each in programs)
    return ExitStatus.NOT_AS_EXPECTED if wrong else ExitStatus.AS_EXPECTED


@app.command()
@expand_options
def demo(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="Name of a demonstration; see --list.",
            autocompletion=completion.demonstrations,
        ),
    ] = None,
    *,
    list_all: Annotated[bool, typer.Option("--list", help="List the demonstrations.")] = False,
    kernel: OneKernelOption = "6.12",
    boot: GuestOptions,
) -> None:
    """Run an example program and explain its records.

    Shows the C source, the event that triggers the program, and each record with its meaning.

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
        raise WrongUsage("name a demonstration", "`dynptr-harness demo --list` lists them")
    chosen = demos.find(name, catalogue)
    machines = _machines_of_one(kernel, boot)
    out.print(f"bpf_src/{chosen.path}\n", style="bold", soft_wrap=True)
    out.print(c_source(catalogue.texts[chosen.path], highlighted=out.is_terminal), "")
    with _console_on_failure():
        (prepared,) = machines.kernels
        raise typer.Exit(machines.visit(prepared, lambda machine: chosen.show(machine, out)))


def _machines_of_one(kernel: str, boot: GuestOptions) -> Machines:
    """Return the machines of one kernel.

    Raises:
        WrongUsage: the selector matches several kernels.
    """
    from dynptr_harness.core.errors import WrongUsage
    from dynptr_harness.kernels import choose
    from dynptr_harness.vm.launcher import Machines

    settings, progress, options = boot.settings(), boot.progress(), boot.options()
    choices = choose([kernel], settings=settings, progress=progress, modules=boot.modules)
    if len(choices) > 1:
        raise WrongUsage(f"{kernel!r} matches {len(choices)} kernels", "name one, such as 6.12")
    return Machines([kernel], options, settings=settings, progress=progress)


@contextmanager
def _console_on_failure() -> Iterator[None]:
    """Print the end of the console to standard error if a machine fails."""
    from dynptr_harness.vm.failures import MachineFailed

    try:
        yield
    except MachineFailed as failed:
        _print_console(failed)
        raise


def _print_console(failed: MachineFailed) -> None:
    from dynptr_harness.core.text import console_part

    print(*console_part(failed.tail, CONSOLE_LINES), sep="\n", file=sys.stderr)
