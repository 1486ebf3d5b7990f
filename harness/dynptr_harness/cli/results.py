"""Commands that work with results: report, diff, merge, baseline, docs; and the job matrix for CI."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dynptr_harness.cli.app import app
from dynptr_harness.cli.options import BaselineOption, KernelOption, console_on
from dynptr_harness.core.settings import Settings

ResultsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="RESULT...",
        help="Files written by `run --json` or `merge`, or directories of *.json files.",
        show_default=False,
    ),
]


class Format(StrEnum):
    """The choices of --format."""

    GITHUB = "github"
    GITLAB = "gitlab"
    JSON = "json"


def show_schema(value: bool) -> None:
    """Print the JSON Schema and exit if the option is given."""
    if value:
        from dynptr_harness.results.json_format import schema_text

        print(schema_text(), end="")
        raise typer.Exit


@app.command()
def report(
    result: ResultsArgument,
    *,
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained HTML page.")
    ] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write a summary as Markdown.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write results as JUnit XML.")
    ] = None,
    svg_file: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE", help="Write the matrix as an SVG picture, for a README."),
    ] = None,
    baseline: BaselineOption = None,
    schema: Annotated[  # noqa: ARG001  (its callback does the work)
        bool,
        typer.Option(
            "--schema",
            callback=show_schema,
            is_eager=True,
            help="Print the JSON Schema of a result and exit.",
        ),
    ] = False,
) -> None:
    """Show results, or write them as HTML, Markdown, JUnit XML or SVG.

    Several results are merged first. The exit status does not depend on the verdicts; use `run` or `diff`
    for that.

    * `dynptr-harness report results.json --html report.html`
    * `dynptr-harness report results/ --baseline baselines/ --markdown summary.md --junit junit.xml`
    """
    from dynptr_harness.commands.results import Files
    from dynptr_harness.commands.results import report as write_reports

    files = Files(html=html_file, markdown=markdown_file, junit=junit_file, svg=svg_file)
    write_reports(result, files, baseline, console_on())


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="Old result, or a directory of results.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="New result, or a directory of results.")],
    *,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every changed cell as JSON.")
    ] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the changes as Markdown.")
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Ignore kernels that AFTER did not test.")
    ] = False,
) -> None:
    """Show the changes between two results.

    The exit status is 1 on a regression: a cell that was as expected and no longer is, or is missing.
    Kernels are matched by release, otherwise by series.
    """
    from dynptr_harness.commands.results import diff as show_changes

    status = show_changes(
        before, after, partial=partial, json_file=json_file, markdown_file=markdown_file, out=console_on()
    )
    raise typer.Exit(status)


@app.command()
def merge(
    result: ResultsArgument,
    *,
    json_file: Annotated[Path, typer.Option("--json", metavar="FILE", help="Write the merged result.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Merge even if a shard of `run --shard` is missing.")
    ] = False,
) -> None:
    """Merge results of different kernels, or of different cells of a kernel.

    A missing shard of `run --shard` is an error that names it.
    """
    from dynptr_harness.commands.results import merge as write_merged

    write_merged(result, json_file, partial=partial)


@app.command()
def baseline(
    result: ResultsArgument,
    *,
    folder: Annotated[
        Path,
        typer.Option("--folder", metavar="DIR", help="Directory to write to; one file for each series."),
    ] = Path("baselines"),
) -> None:
    """Write results as baselines for `run --baseline`."""
    from dynptr_harness.commands.results import baseline as write_baselines

    for path in write_baselines(result, folder):
        print(path)


@app.command()
def matrix(
    *,
    kernel: KernelOption = ["all"],  # noqa: B006  (typer copies it)
    form: Annotated[
        Format, typer.Option("--format", help="github for a strategy matrix, gitlab for a child pipeline.")
    ] = Format.JSON,
) -> None:
    """Print a CI job matrix with one job for each kernel.

    Only package lists are downloaded.
    """
    from dynptr_harness.commands.results import matrix as job_matrix
    from dynptr_harness.report.console_progress import for_console

    progress = for_console(console_on(stderr=True))
    print(job_matrix(kernel, form.value, settings=Settings.from_environment(), progress=progress))


@app.command()
def docs(
    result: ResultsArgument,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this file instead of standard output."),
    ] = None,
) -> None:
    """Write the reference page of the helper from results.

    * `dynptr-harness docs baselines --output docs/bpf_ringbuf_reserve_dynptr.md`
    """
    from dynptr_harness.commands import results

    page = results.docs(result, output)
    if not output:
        print(page, end="")
