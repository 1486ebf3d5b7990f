"""Commands that run cases and prepare for it: run, setup, doctor."""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003  (typer reads annotations)
from typing import Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app
from dynptr_harness.cli.options import (
    BaselineOption,
    KernelOption,
    ModulesOption,
    OfflineFlag,
    RunIn,
    RunOptions,
    console_on,
    expand_options,
    settings_for,
)
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.core.settings import Settings
from dynptr_harness.host import HOST
from dynptr_harness.runner.isolation import Isolation


@app.command()
@expand_options
def run(
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006  (typer copies it)
    prog_type: Annotated[
        list[str] | None,
        typer.Option(
            "--prog-type",
            "-t",
            metavar="TYPE",
            help="Run only these program types; globs allowed. See `types`.",
            autocompletion=completion.prog_types,
        ),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(
            "--case",
            "-c",
            metavar="CASE",
            help="Run only these cases; globs allowed. See `cases`.",
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
    boot: RunOptions,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Number of VMs at a time. Default: one for each CPU of the host, as far as available memory "
            "allows the memory of the guest and 512 MiB for QEMU for each.",
            show_default=False,
        ),
    ] = None,
    isolate: Annotated[
        Isolation,
        typer.Option(
            help="Start a fresh VM for each program type or each case. By default a VM is reused for the "
            "whole run until it fails."
        ),
    ] = Isolation.RUN,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only unexpected results and the summary.")
    ] = False,
    run_in: Annotated[
        RunIn,
        typer.Option("--in", help="Run here, or build a container image and run in it."),
    ] = RunIn.HERE,
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Load BPF programs into the running kernel without confirmation."),
    ] = False,
    disturb: Annotated[
        bool,
        typer.Option(
            "--disturb",
            help="Also run cases that change kernel settings temporarily or put load on this machine.",
        ),
    ] = False,
) -> None:
    """Boot kernels and run every case in every program type.

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
        machine=boot.options(),
        jobs=jobs,
        isolation=isolate,
        quiet=quiet,
        disturb=disturb,
    )
    if HOST in kernel:
        _consent(run_in, yes=yes)
    settings, err = boot.settings(), console_on(stderr=True)
    if run_in is RunIn.DOCKER:
        from dynptr_harness.containers import rerun

        raise typer.Exit(rerun.repeat(files=request.files, settings=settings, err=err))
    raise typer.Exit(run_all(request, settings=settings, out=console_on(), err=err))


def _consent(run_in: RunIn, *, yes: bool) -> None:
    """Ask the user for permission to load programs into the running kernel.

    Raises:
        WrongUsage: the user refuses, or standard input is not a terminal.
    """
    if run_in is not RunIn.HERE:
        raise WrongUsage("the running kernel cannot be tested from a container", "omit --in")
    what = f"this loads and attaches BPF programs in the kernel of this machine, {os.uname().release}"
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUsage(what, "add --yes to confirm")
    try:
        agreed = typer.confirm(f"{what}. Continue?", err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise WrongUsage("not confirmed: nothing was loaded")


@app.command()
def setup(
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006
    modules: ModulesOption = None,
    offline: OfflineFlag = False,
) -> None:
    """Fetch kernels and build the guest image."""
    from dynptr_harness.report.console_progress import for_console
    from dynptr_harness.vm.prepare import prepare

    kernels, image = prepare(
        kernel,
        settings=settings_for(offline=offline),
        progress=for_console(console_on(stderr=True)),
        modules=modules,
    )
    for each in kernels:
        accelerator = f"{each.accelerator.name}: {each.accelerator.reason}"
        print(f"Linux {each.kernel.release} is ready ({accelerator})")
    print(f"guest image: {image.root}")


@app.command()
def doctor() -> None:
    """Check QEMU, KVM, disk, tools and mirror, and say how to fix problems.

    Exit status: 0 if no check fails, 3 if one does.
    """
    from dynptr_harness.cli.doctor_table import as_lines
    from dynptr_harness.commands.doctor import State, examine
    from dynptr_harness.report.console_progress import for_console

    findings = list(examine(Settings.from_environment(), for_console(console_on(stderr=True))))
    out = console_on()
    for line in as_lines(findings, out.width):
        out.print(line, soft_wrap=True)
    failed = any(finding.state is State.FAIL for finding in findings)
    raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED if failed else ExitStatus.AS_EXPECTED)
