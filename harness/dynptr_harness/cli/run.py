"""Commands that run cases and prepare for it: run, setup, doctor."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dynptr_harness.cli import config
from dynptr_harness.cli.app import BISECT_EXIT, app
from dynptr_harness.cli.options import (
    BaselineOption,
    CasesOption,
    CaseTimeoutOption,
    JsonFlag,
    KernelOption,
    Loader,
    ModulesOption,
    OfflineFlag,
    ProgTypesOption,
    RunIn,
    RunOptions,
    console_on,
    expand_options,
    schema_option,
    settings_for,
)
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.core.output import STANDARD
from dynptr_harness.core.settings import Settings
from dynptr_harness.host import HOST
from dynptr_harness.runner.isolation import Isolation


@app.command()
@expand_options
def run(
    ctx: typer.Context,
    *,
    kernel: KernelOption = ["6.12"],  # noqa: B006  (typer copies it)
    prog_type: ProgTypesOption = None,
    case: CasesOption = None,
    load_with: Annotated[
        list[Loader] | None,
        typer.Option(
            "--loader",
            metavar="LOADER",
            help="Run only the cells of this loader, bcc or libbpf; repeatable.",
            show_default=False,
        ),
    ] = None,
    rerun: Annotated[
        Path | None,
        typer.Option(
            "--rerun",
            metavar="RESULT",
            help="Run only the cells that are not as expected in this result, on its kernels unless --kernel "
            "names others.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Run only the I-th of N parts of the cells of each kernel, counted from 1. `merge` joins "
            "the results.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List kernels, program types and cells; fetch and boot nothing."),
    ] = False,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="FILE",
            help="Write results as JSON; `-` is standard output, and the report goes to standard error.",
        ),
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write results as JUnit XML.")
    ] = None,
    ktap_file: Annotated[
        Path | None,
        typer.Option(
            "--ktap",
            metavar="FILE",
            help="Write results as KTAP; - for standard output, with the report on standard error.",
        ),
    ] = None,
    baseline: BaselineOption = None,
    boot: RunOptions,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", "-x", help="Stop at the first cell that is not as expected.")
    ] = False,
    max_failures: Annotated[
        int | None,
        typer.Option(
            "--max-failures",
            min=1,
            metavar="N",
            help="Stop when N cells are not as expected. Failures of --baseline do not count.",
            show_default=False,
        ),
    ] = None,
    case_timeout: CaseTimeoutOption = None,
    run_timeout: Annotated[
        int | None,
        typer.Option(
            "--run-timeout",
            min=1,
            metavar="SECONDS",
            help="Time for the whole run; then the remaining cells are `not-run`.",
            show_default=False,
        ),
    ] = None,
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
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show the consoles of the guests live, on standard error.")
    ] = False,
    bisect_exit: Annotated[
        bool,
        typer.Option(
            BISECT_EXIT,
            help="Exit as `git bisect run` expects: 0 as expected, 1 not as expected, 125 if there is no "
            "verdict.",
        ),
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
    * `dynptr-harness run --rerun result.json -x`
    """
    from dynptr_harness.commands import run as command
    from dynptr_harness.conformance.shard import Shard
    from dynptr_harness.runner.limits import Limits

    del bisect_exit  # `main` maps the exit status, also that of wrong usage
    kernels = tuple(kernel)
    if rerun and not _on_command_line(ctx, "kernel"):
        kernels = command.kernels_to_rerun(rerun)
    request = command.Request(
        kernels=kernels,
        prog_types=tuple(prog_type or ()),
        cases=tuple(case or ()),
        loaders=tuple(each.value for each in load_with or ()),
        json_file=json_file,
        junit_file=junit_file,
        ktap_file=ktap_file,
        baseline=baseline,
        rerun=rerun,
        shard=Shard.parse(shard) if shard else None,
        machine=boot.options(),
        limits=Limits(case_timeout, run_timeout, 1 if fail_fast else max_failures),
        jobs=jobs,
        isolation=isolate,
        quiet=quiet,
        verbose=verbose,
        disturb=disturb,
    )
    settings, err = boot.settings(), console_on(stderr=True)
    out = err if request.fills_stdout else console_on()
    if dry_run:
        raise typer.Exit(command.list_cells(request, settings=settings, out=console_on(), err=err))
    if HOST in kernels:
        _consent(run_in, yes=yes)
    if run_in is RunIn.DOCKER:
        from dynptr_harness.containers.rerun import repeat

        if STANDARD in (baseline, rerun):
            raise WrongUsage(
                "--in docker cannot read standard input", "name a file for --baseline and --rerun"
            )
        found = config.find(Path.cwd())
        files = (*request.files, *([found[0]] if found else []))
        raise typer.Exit(repeat(files=files, settings=settings, err=err))
    raise typer.Exit(command.run(request, settings=settings, out=out, err=err))


def _on_command_line(ctx: typer.Context, name: str) -> bool:
    """Return True if the command line has this parameter, and not only a configuration file."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


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
def doctor(
    *,
    as_json: JsonFlag = False,
    schema: Annotated[bool, schema_option("doctor")] = False,  # noqa: ARG001
) -> None:
    """Check QEMU, KVM, disk, tools and mirror, and say how to fix problems.

    Exit status: 0 if no check fails, 3 if one does.
    """
    from dynptr_harness.cli.doctor_table import as_document, as_lines
    from dynptr_harness.commands.doctor import State, examine
    from dynptr_harness.report.console_progress import for_console

    findings = list(examine(Settings.from_environment(), for_console(console_on(stderr=True))))
    if as_json:
        print(json.dumps(as_document(findings), indent=1))
    else:
        out = console_on()
        for line in as_lines(findings, out.width):
            out.print(line, soft_wrap=True)
    failed = any(finding.state is State.FAIL for finding in findings)
    raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED if failed else ExitStatus.AS_EXPECTED)
