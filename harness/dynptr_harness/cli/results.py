"""Commands that work with results: report, diff, merge, baseline, docs; and the job matrix for CI."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dynptr_harness.cli.app import app
from dynptr_harness.cli.options import BaselineOption, KernelOption, console_on, schema_option
from dynptr_harness.core.output import STANDARD
from dynptr_harness.core.settings import Settings

ResultsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="RESULT...",
        help="Files written by `run --json` or `merge`, or directories of *.json files; `-` is standard "
        "input.",
        show_default=False,
    ),
]


class Format(StrEnum):
    """The choices of --format."""

    GITHUB = "github"
    GITLAB = "gitlab"
    JSON = "json"


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
    github: Annotated[
        bool | None,
        typer.Option(
            "--github/--no-github",
            help="Print annotations of unexpected results for GitHub Actions. Default: in a job of GitHub.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[bool, schema_option("result")] = False,  # noqa: ARG001
) -> None:
    """Show results, or write them as HTML, Markdown, JUnit XML or SVG.

    Several results are merged first. `-` as FILE is standard output. The exit status does not depend on the
    verdicts; use `run` or `diff` for that.

    * `dynptr-harness report results.json --html report.html`
    * `dynptr-harness report results/ --baseline baselines/ --markdown summary.md --junit junit.xml`
    """
    from dynptr_harness.commands.results import Files
    from dynptr_harness.commands.results import report as write_reports

    files = Files(html=html_file, markdown=markdown_file, junit=junit_file, svg=svg_file)
    annotate = os.environ.get("GITHUB_ACTIONS") == "true" if github is None else github
    out = console_on(stderr=STANDARD in vars(files).values())
    write_reports(result, files, baseline, out, annotate=annotate)


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
        bool, typer.Option("--partial", help="Ignore kernels and cells that AFTER did not plan.")
    ] = False,
    schema: Annotated[bool, schema_option("diff")] = False,  # noqa: ARG001
) -> None:
    """Show the changes between two results.

    Kernels are matched by release, otherwise by series. If each result has one kernel, these two are
    compared even if their series differ. `-` as BEFORE or AFTER is standard input. `-` as FILE is standard
    output, and the changes go to standard error.

    Exit status: 1 on a regression: a cell was as expected and now has an answer that is not. 3 if there is
    no regression but lost coverage: a cell had an answer and now is missing, lost or not run.

    * `dynptr-harness diff baselines/7.2.json baselines/7.3.json`
    * `dynptr-harness diff --partial baselines results.json`
    """
    from dynptr_harness.commands.results import diff as show_changes

    out = console_on(stderr=STANDARD in (json_file, markdown_file))
    status = show_changes(
        before, after, partial=partial, json_file=json_file, markdown_file=markdown_file, out=out
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

    `-` as FILE is standard output. A missing shard of `run --shard` is an error that names it.
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
    force: Annotated[bool, typer.Option("--force", help="Overwrite a fuller or better baseline.")] = False,
) -> None:
    """Write results as baselines for `run --baseline`.

    A baseline is kept if it has answers that the new result lacks, or if the new result has new failures.
    """
    from dynptr_harness.commands.results import baseline as write_baselines

    for path in write_baselines(result, folder, force=force):
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
