"""Commands that have to do with a run: run, setup, doctor."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003  (typer reads annotations)
from typing import Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app
from dynptr_harness.cli.options import (
    Accel,
    AppendOption,
    BaselineOption,
    CpuSlot,
    KernelOption,
    ModulesOption,
    OfflineFlag,
    console_on,
    settings_for,
)
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.core.settings import Settings
from dynptr_harness.host import HOST
from dynptr_harness.runner.isolation import Isolation


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
            autocompletion=completion.prog_types,
        ),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(
            "--case",
            "-c",
            metavar="CASE",
            help="Only these cases; globs allowed. See `cases`.",
            autocompletion=completion.cases,
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write results as JSON.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write results as JUnit XML.")
    ] = None,
    baseline: BaselineOption = None,
    modules: ModulesOption = None,
    append: AppendOption = None,
    offline: OfflineFlag = False,
    accel: Annotated[Accel, typer.Option(help="auto takes KVM where it has proved to work.")] = Accel.AUTO,
    cpus: Annotated[int, typer.Option(min=1, max=64, help="Processors of the guest.")] = 2,
    memory: Annotated[int, typer.Option(min=512, metavar="MIB", help="Memory of the guest in MiB.")] = 1024,
    snapshot: Annotated[
        bool, typer.Option(help="Start from a snapshot of the ready guest; made where there is none.")
    ] = True,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Machines at a time; else one for each processor of the host, as far as each finds its "
            "memory and 512 MiB for QEMU in what the host has available.",
            show_default=False,
        ),
    ] = None,
    isolate: Annotated[
        Isolation,
        typer.Option(
            help="How often a fresh machine takes the place of one that is well: never in the run, for each "
            "program type, or for each case."
        ),
    ] = Isolation.RUN,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what is not as expected, and the summary.")
    ] = False,
    place: Annotated[
        CpuSlot, typer.Option("--in", help="docker runs all of this in a container; its image is built here.")
    ] = CpuSlot.HERE,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before BPF is loaded into the running kernel.")
    ] = False,
    disturb: Annotated[
        bool,
        typer.Option(
            "--disturb",
            help="Ask the running kernel also what changes its settings for a moment or floods the machine.",
        ),
    ] = False,
) -> None:
    """Boot kernels and ask them every case in every program type.

    Examples:

    * `dynptr-harness run`
    * `dynptr-harness run --kernel 6.1 --kernel 7.3 --json results.json`
    * `dynptr-harness run -t 'CGROUP_*' -t lsm -c 'RSV-*'`
    * `dynptr-harness run --kernel all --quiet`
    * `dynptr-harness run --kernel arch/x86/boot/bzImage --append 'slub_debug=FZ nokaslr'`
    """
    from dynptr_harness.commands.run import Request
    from dynptr_harness.commands.run import run as run_all

    request = Request(
        kernels=tuple(kernel),
        prog_types=tuple(prog_type or ()),
        cases=tuple(case or ()),
        json_file=json_file,
        junit_file=junit_file,
        baseline=baseline,
        modules=modules,
        accelerator=accel.value,
        append=tuple(append or ()),
        cpus=cpus,
        memory_mib=memory,
        snapshot=snapshot,
        jobs=jobs,
        isolation=isolate,
        quiet=quiet,
        disturb=disturb,
    )
    if HOST in kernel:
        _consent(place, yes=yes)
    settings, err = settings_for(offline=offline), console_on(stderr=True)
    if place is CpuSlot.DOCKER:
        from dynptr_harness.containers import rerun

        raise typer.Exit(rerun.repeat(files=request.files, settings=settings, err=err))
    raise typer.Exit(run_all(request, settings=settings, out=console_on(), err=err))


def _consent(place: CpuSlot, *, yes: bool) -> None:
    """Have it confirmed that the running kernel is the one to test."""
    if place is not CpuSlot.HERE:
        raise WrongUsage("the running kernel cannot be asked from a container", "leave out --in")
    what = f"this loads and attaches BPF programs in this machine's own kernel, {os.uname().release}"
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUsage(what, "say --yes if that is what you want")
    if not typer.confirm(f"{what}. Go on?", err=True):
        raise WrongUsage("nothing was loaded")


@app.command()
def setup(
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006
    modules: ModulesOption = None,
    offline: OfflineFlag = False,
) -> None:
    """Make kernels and the guest image ready, so that a run can begin at once."""
    from dynptr_harness.report.console_progress import for_console
    from dynptr_harness.vm.prepare import prepare

    subjects, image = prepare(
        kernel,
        settings=settings_for(offline=offline),
        progress=for_console(console_on(stderr=True)),
        modules=modules,
    )
    for subject in subjects:
        accelerator = f"{subject.accelerator.name}: {subject.accelerator.reason}"
        print(f"Linux {subject.kernel.release} is ready ({accelerator})")
    print(f"guest image: {image.root}")


@app.command()
def doctor() -> None:
    """Check QEMU, KVM, disk, tools and mirror, and say how to mend what is missing; status 3 if one fails."""
    from dynptr_harness.cli.doctor_table import as_table
    from dynptr_harness.commands.doctor import State, examine
    from dynptr_harness.report.console_progress import for_console

    findings = list(examine(Settings.from_environment(), for_console(console_on(stderr=True))))
    console_on().print(as_table(findings))
    failed = any(finding.state is State.FAIL for finding in findings)
    raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED if failed else ExitStatus.AS_EXPECTED)
