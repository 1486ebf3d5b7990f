"""The commands that work with results: read, merge or compare, write files, report."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance import loader
from dynptr_harness.core import output as output_file
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.core.paths import bpf_src
from dynptr_harness.kernels import choose
from dynptr_harness.report import comparison as comparison_report
from dynptr_harness.report.ci_matrix import FORMS
from dynptr_harness.report.comparison import ComparisonReport
from dynptr_harness.report.junit import as_junit
from dynptr_harness.report.markdown import as_markdown
from dynptr_harness.report.reference_page import as_page
from dynptr_harness.report.repeat import Sources
from dynptr_harness.report.terminal import TerminalReport
from dynptr_harness.results import baseline as baseline_report
from dynptr_harness.results import files as result_files
from dynptr_harness.results.comparison import compare, only_asked
from dynptr_harness.results.json_format import as_json
from dynptr_harness.results.shards import check_complete

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

EXAMPLE = "examples/variable_size.bpf.c"  # below bpf_src; shown on the reference page

RELEASE = re.compile(r"\d+\.\d+[\w.+~-]*")  # names jobs and their files


@dataclass(frozen=True)
class Files:
    """Files to write reports to. The fields are the options of the command."""

    html: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None
    svg: Path | None = None


def report(results: Sequence[Path], files: Files, baseline: Path | None, out: Console) -> None:
    """Write the reports, or print one on the console if no file is named."""
    output_file.check_all({f"--{name}": path for name, path in vars(files).items()})
    result = result_files.read(results)
    catalogue = loader.load()
    comparison = None
    if baseline:
        comparison = compare(only_asked(result, result_files.read([baseline])), result)
    if files.html:
        from dynptr_harness.report.html_page import as_html  # pygments is slow to import

        output_file.write(files.html, as_html(result, catalogue, comparison).encode())
    if files.markdown:
        output_file.write(files.markdown, as_markdown(result, catalogue.cases, comparison).encode())
    if files.junit:
        output_file.write(files.junit, as_junit(result))
    if files.svg:
        from dynptr_harness.report.svg import as_svg

        output_file.write(files.svg, as_svg(result).encode())
    if not any(vars(files).values()):
        report = TerminalReport(result, catalogue.cases, sources=Sources(catalogue))
        out.print(report, soft_wrap=not out.is_terminal)
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
    """Print the changes, write them to files, and return NOT_AS_EXPECTED on a regression."""
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


def merge(results: Sequence[Path], json_file: Path, *, partial: bool = False) -> None:
    """Write the merge of several results.

    Args:
        results: files and directories.
        json_file: file to write.
        partial: accept a missing shard.

    Raises:
        WrongUsage: a shard is missing, or results contradict each other.
    """
    output_file.check_all({"--json": json_file})
    merged = result_files.read(results)
    if not partial:
        check_complete(merged)
    output_file.write(json_file, as_json(merged).encode())


def baseline(results: Sequence[Path], folder: Path) -> list[Path]:
    """Write a baseline of each kernel series to a directory and return the paths."""
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
    """Return the reference page of the helper, from results of full runs; write it if `output` is given.

    Raises:
        WrongUsage: the results lack cells that the page needs.
    """
    output_file.check_all({"--output": output})
    example = (bpf_src() / EXAMPLE).read_text(encoding="utf-8")
    page = as_page(result_files.read(results), loader.load().prog_types, example)
    if output:
        output_file.write(output, page.encode())
    return page


def matrix(selectors: Sequence[str], form: str, *, settings: Settings, progress: Progress) -> str:
    """Return the job matrix of kernels. `form` is one of `FORMS`.

    Raises:
        WrongUsage: a kernel does not exist, or is a file or a container image.
        EnvironmentFailed: the mirror failed.
    """
    chosen = [choice.name for choice in choose(selectors, settings=settings, progress=progress)]
    for name in chosen:
        if not RELEASE.fullmatch(name):
            raise WrongUsage(
                f"{name} cannot be in a job matrix, because it is not a Debian kernel",
                "select kernels by series or release; use `run` for other kernels",
            )
    return FORMS[form](chosen)
