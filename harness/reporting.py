"""The commands about results from beginning to end: read, merge or compare, write files, show."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import output_file, result_files, sound_catalogue
from harness.errors import ExitStatus, WrongUsage
from harness.guest_image.payload import bpf_src
from harness.kernels import choose
from harness.report import baseline as baseline_report
from harness.report import comparison_report
from harness.report.comparison import compare, only_asked
from harness.report.comparison_report import ComparisonReport
from harness.report.job_matrix import FORMS
from harness.report.json_report import as_json
from harness.report.junit import as_junit
from harness.report.markdown import as_markdown
from harness.report.reference import as_page
from harness.report.terminal import TerminalReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from harness.progress import Progress
    from harness.settings import Settings

EXAMPLE = "examples/variable_size.bpf.c"  # in bpf_src; the one on the reference page

RELEASE = re.compile(r"\d+\.\d+[\w.+~-]*")  # what jobs and their files are named by


@dataclass(frozen=True)
class Files:
    """Where to write which form of a report; the fields are the options of the command."""

    html: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None
    svg: Path | None = None


def report(results: Sequence[Path], files: Files, baseline: Path | None, out: Console) -> None:
    """Write what was asked for, or show the report on the console when that is nothing."""
    output_file.check_all({f"--{name}": path for name, path in vars(files).items()})
    result = result_files.read(results)
    catalogue = sound_catalogue.load()
    comparison = None
    if baseline:
        comparison = compare(only_asked(result, result_files.read([baseline])), result)
    if files.html:
        from harness.report.html_report import as_html  # pygments is slow to import

        output_file.write(files.html, as_html(result, catalogue, comparison).encode())
    if files.markdown:
        output_file.write(files.markdown, as_markdown(result, catalogue.cases, comparison).encode())
    if files.junit:
        output_file.write(files.junit, as_junit(result))
    if files.svg:
        from harness.report.svg import as_svg

        output_file.write(files.svg, as_svg(result).encode())
    if not any(vars(files).values()):
        out.print(TerminalReport(result, catalogue.cases), soft_wrap=not out.is_terminal)
        if comparison:
            out.print(ComparisonReport(comparison), soft_wrap=not out.is_terminal)


def diff(
    before: Path,
    after: Path,
    *,
    partial: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    out: Console,
) -> ExitStatus:
    """Show what changed and write it where asked to; the status speaks of regressions only."""
    output_file.check_all({"--json": json_file, "--markdown": markdown_file})
    was, now = result_files.read([before]), result_files.read([after])
    comparison = compare(only_asked(now, was) if partial else was, now)
    if json_file:
        document = comparison_report.as_document(comparison)
        output_file.write(json_file, (json.dumps(document, indent=1) + "\n").encode())
    if markdown_file:
        output_file.write(markdown_file, comparison_report.as_markdown(comparison).encode())
    out.print(ComparisonReport(comparison), soft_wrap=not out.is_terminal)
    return ExitStatus.NOT_AS_EXPECTED if comparison.regressions else ExitStatus.AS_EXPECTED


def merge(results: Sequence[Path], json_file: Path) -> None:
    """Write the one result of several."""
    output_file.check_all({"--json": json_file})
    output_file.write(json_file, as_json(result_files.read(results)).encode())


def baseline(results: Sequence[Path], folder: Path) -> list[Path]:
    """Write the baseline of each kernel series into a folder, and return the files."""
    made = dict(baseline_report.baselines(result_files.read(results)))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for series, text in made.items():
        path = folder / f"{series}.json"
        output_file.check("--folder", path)
        output_file.write(path, text.encode())
        paths.append(path)
    return paths


def docs(results: Sequence[Path], output: Path | None) -> str:
    """The helper's reference page, from results of whole runs; written where asked to.

    Raises:
        WrongUsage: the results lack what the page speaks of.
    """
    output_file.check_all({"--output": output})
    example = (bpf_src() / EXAMPLE).read_text(encoding="utf-8")
    page = as_page(result_files.read(results), sound_catalogue.load().prog_types, example)
    if output:
        output_file.write(output, page.encode())
    return page


def matrix(selectors: Sequence[str], form: str, *, settings: Settings, progress: Progress) -> str:
    """The job matrix of some kernels; `form` is one of `FORMS`.

    Raises:
        WrongUsage: a kernel does not exist, or it is a file or an image, of which jobs have no release.
        EnvironmentFailed: the mirror failed.
    """
    chosen = [choice.name for choice in choose(selectors, settings=settings, progress=progress)]
    for name in chosen:
        if not RELEASE.fullmatch(name):
            raise WrongUsage(
                f"{name} cannot be in a job matrix, for it is not one of Debian's kernels",
                "choose kernels by series or release; other kernels are for `run`",
            )
    return FORMS[form](chosen)
