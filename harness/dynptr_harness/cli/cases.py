"""Commands that list program types and cases."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dynptr_harness.cli import completion
from dynptr_harness.cli.app import app
from dynptr_harness.cli.default_group import WithDefault
from dynptr_harness.cli.options import JsonFlag, console_on, terminal_width

ResultOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--result",
        metavar="RESULT",
        help="Show the outcome of each type in this result; repeatable.",
        show_default=False,
    ),
]

cases_app = typer.Typer(cls=WithDefault)
app.add_typer(
    cases_app,
    name="cases",
    help="List the cases, or show one with `cases show`.",
)


@app.command()
def types(
    *,
    result: ResultOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the program types and the event that triggers each.

    With --result, show the outcome of each type on the kernels of the results.
    """
    if result:
        _types_of(result, as_json=as_json)
        return
    from dynptr_harness.conformance.catalogue import PROG_TYPES
    from dynptr_harness.core.text import columns

    if as_json:
        rows = [
            {"prog_type": each.name, "event": each.event, "listed": each.is_listed} for each in PROG_TYPES
        ]
        print(json.dumps(rows, indent=1))
        return
    for line in columns([(each.name, each.event) for each in PROG_TYPES], terminal_width()):
        print(line)


def _types_of(results: list[Path], *, as_json: bool) -> None:
    from dynptr_harness.conformance.catalogue import PROG_TYPES
    from dynptr_harness.core.text import columns
    from dynptr_harness.report.type_table import as_lines, rows
    from dynptr_harness.results.files import read

    result = read(results)
    table = list(rows(result, PROG_TYPES))
    if as_json:
        print(json.dumps([asdict(row) for row in table], indent=1))
        return
    for kernel in result.run.kernels:
        print(f"Linux {kernel.release}")
        for line in columns(list(as_lines([row for row in table if row.kernel == kernel.release]))):
            print(line)


@cases_app.command("list")
def list_cases(
    *,
    case: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CASE]...",
            help="Cases to list; globs allowed.",
            show_default=False,
            autocompletion=completion.cases,
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            "-g",
            metavar="GROUP",
            help="List only this group, the letters of an ID; globs allowed.",
            autocompletion=completion.groups,
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List cases with ID, group, program types, loaders and title.

    Also list requirements without a case, with the reason. This is the default command of `cases`:
    `cases 'RSV-*'`.
    """
    from dynptr_harness.conformance.loader import load
    from dynptr_harness.report.case_list import as_document, as_lines

    catalogue = load()
    chosen = catalogue.choose(case or (), group or ())
    if as_json:
        print(json.dumps(as_document(*chosen, catalogue.prog_types), indent=1))
        return
    for line in as_lines(*chosen, catalogue.prog_types, terminal_width()):
        print(line)


@cases_app.command("show")
def show_cases(
    case: Annotated[
        list[str],
        typer.Argument(metavar="CASE...", help="IDs; globs allowed.", autocompletion=completion.cases),
    ],
) -> None:
    """Show a case: its steps, the expected result on each kernel, the reason, and the C program."""
    from dynptr_harness.conformance.loader import load
    from dynptr_harness.report.case_detail import CaseReport

    catalogue = load()
    found, exceptions = catalogue.choose(case)
    console = console_on()
    for number, each in enumerate(found):
        report = CaseReport(each, catalogue.prog_types, catalogue.programs)
        console.print(*([""] if number else []), report, sep="\n", soft_wrap=not console.is_terminal)
    for name, reason in exceptions.items():
        console.print(
            f"{name}  no case of its own: {reason}", markup=False, soft_wrap=not console.is_terminal
        )
