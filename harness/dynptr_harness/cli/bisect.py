"""The command `bisect`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (typer reads annotations)
from typing import Annotated

import typer

from dynptr_harness.cli.app import app
from dynptr_harness.cli.options import (
    BisectOptions,
    CasesOption,
    CaseTimeoutOption,
    ProgTypesOption,
    QuietFlag,
    console_on,
    expand_options,
)


@app.command()
@expand_options
def bisect(
    *,
    tree: Annotated[
        Path,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Kernel tree under git."),
    ],
    good: Annotated[str, typer.Option(metavar="REV", help="Commit before the change.")],
    bad: Annotated[str, typer.Option(metavar="REV", help="Commit with the change.")],
    fixed: Annotated[
        bool,
        typer.Option(
            "--fixed",
            help="Find the commit that fixed a defect: --good has the defect, --bad is fixed. A known defect "
            "counts as one.",
        ),
    ] = False,
    prog_type: ProgTypesOption = None,
    case: CasesOption = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="CONFIG",
            exists=True,
            dir_okay=False,
            help="Configuration of the kernels. Default: the .config of the tree, or if there is none, the "
            "smallest one with the fragment of `dynptr-harness kconfig`.",
            show_default=False,
        ),
    ] = None,
    build: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Shell command that builds arch/x86/boot/bzImage in the tree. Default: `make olddefconfig "
            "&& make -jN bzImage`, and `modules` if the configuration has any.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[bool, typer.Option(help="Build and test --good and --bad first.")] = True,
    boot: BisectOptions,
    case_timeout: CaseTimeoutOption = None,
    quiet: QuietFlag = False,
) -> None:
    """Find the commit that changed a verdict, with `git bisect`, builds and runs of the selected cells.

    Commits that do not build or boot are skipped. After Ctrl-C, the same command resumes.

    * `dynptr-harness bisect --tree ~/linux --good v6.12 --bad v6.13 -c RSV-011 -t LSM`
    * `dynptr-harness bisect --tree ~/linux --good v6.12 --bad v6.13 -c RSV-011 --fixed`
    """
    from dynptr_harness.commands import bisect as command
    from dynptr_harness.commands.run import Request
    from dynptr_harness.runner.limits import Limits

    types, cases = tuple(prog_type or ()), tuple(case or ())
    request = Request(
        kernels=(),
        prog_types=types,
        cases=cases,
        machine=boot.options(),
        limits=Limits(case_timeout),
        quiet=quiet,
    )
    status = command.bisect(
        command.BisectQuery(good, bad, fixed, types, cases, build or ""),
        tree=tree.absolute(),
        config=config,
        check_ends=check,
        request=request,
        settings=boot.settings(),
        out=console_on(),
        err=console_on(stderr=True),
    )
    raise typer.Exit(status)
