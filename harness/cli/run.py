"""Commands that have to do with a run: run, setup, doctor."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (typer reads annotations)
from typing import Annotated

import typer

from harness import complete
from harness.cli.app import app
from harness.cli.options import Accel, KernelOption, ModulesOption, console_on
from harness.errors import ExitStatus
from harness.settings import Settings


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
    status = run_all(
        request, settings=Settings.from_environment(), out=console_on(), err=console_on(stderr=True)
    )
    raise typer.Exit(status)


@app.command()
def setup(*, kernel: KernelOption = ["6.12"], modules: ModulesOption = None) -> None:  # noqa: B006
    """Make kernels and the guest image ready, so that a run can begin at once."""
    from harness.prepare import prepare
    from harness.report.progress import for_console

    subjects, image = prepare(
        kernel,
        settings=Settings.from_environment(),
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
    from harness.doctor import State, examine
    from harness.report.findings import as_table
    from harness.report.progress import for_console

    findings = list(examine(Settings.from_environment(), for_console(console_on(stderr=True))))
    console_on().print(as_table(findings))
    failed = any(finding.state is State.FAIL for finding in findings)
    raise typer.Exit(ExitStatus.ENVIRONMENT_FAILED if failed else ExitStatus.AS_EXPECTED)
