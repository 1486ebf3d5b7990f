"""The commands that work with results: read, merge or compare, write files, report."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance import loader
from dynptr_harness.conformance.plan import make as make_plan
from dynptr_harness.core import output as output_file
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.paths import bpf_src
from dynptr_harness.kernels import choose
from dynptr_harness.report import comparison as comparison_report
from dynptr_harness.report.ci_matrix import FORMS
from dynptr_harness.report.comparison import ComparisonReport
from dynptr_harness.report.github import as_annotations
from dynptr_harness.report.junit import as_junit
from dynptr_harness.report.markdown import as_markdown
from dynptr_harness.report.reference_page import as_page
from dynptr_harness.report.terminal import TerminalReport
from dynptr_harness.results import baseline as baseline_report
from dynptr_harness.results import files as result_files
from dynptr_harness.results.comparison import compare, restricted
from dynptr_harness.results.json_format import as_json
from dynptr_harness.results.shards import check_complete

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from dynptr_harness.conformance.loader import Catalogue
    from dynptr_harness.core.errors import ExitStatus
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings
    from dynptr_harness.results.comparison import Comparison
    from dynptr_harness.results.model import RunResult

EXAMPLE = "examples/variable_size.bpf.c"  # below bpf_src; shown on the reference page

RELEASE = re.compile(r"\d+\.\d+[\w.+~-]*")  # names jobs and their files


@dataclass(frozen=True)
class Files:
    """Files to write reports to. The fields are the options of the command."""

    html: Path | None = None
    markdown: Path | None = None
    junit: Path | None = None
    svg: Path | None = None


def report(
    results: Sequence[Path], files: Files, baseline: Path | None, out: Console, *, annotate: bool = False
) -> None:
    """Write the reports, or print one on the console if no file is named.

    Args:
        annotate: print annotations for GitHub Actions, too.
    """
    output_file.check_all({f"--{name}": path for name, path in vars(files).items()})
    result = result_files.read(results)
    catalogue = loader.load()
    comparison = None
    if baseline:
        comparison = compare(restricted(result, result_files.read([baseline])), result)
    _write(files, result, catalogue, comparison)
    if not any(vars(files).values()):
        out.print(TerminalReport(result, catalogue.cases), soft_wrap=not out.is_terminal)
        if comparison:
            out.print(ComparisonReport(comparison), soft_wrap=not out.is_terminal)
    if annotate:
        for line in as_annotations(result, catalogue, comparison):
            out.print(line, markup=False, soft_wrap=True)


def _write(files: Files, result: RunResult, catalogue: Catalogue, comparison: Comparison | None) -> None:
    if files.html:
        from dynptr_harness.report.html_page import as_html  # pygments is slow to import

        output_file.write(files.html, as_html(result, catalogue, comparison, _sources()).encode())
    if files.markdown:
        output_file.write(files.markdown, as_markdown(result, catalogue.cases, comparison).encode())
    if files.junit:
        output_file.write(files.junit, as_junit(result))
    if files.svg:
        from dynptr_harness.report.svg import as_svg

        output_file.write(files.svg, as_svg(result).encode())


def _sources() -> str:
    """Return the URL of the source tree in a CI job on GitHub or GitLab, otherwise ''."""
    given = os.environ
    if {"GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"} <= given.keys():
        return f"{given['GITHUB_SERVER_URL']}/{given['GITHUB_REPOSITORY']}/blob/{given['GITHUB_SHA']}"
    if {"CI_PROJECT_URL", "CI_COMMIT_SHA"} <= given.keys():
        return f"{given['CI_PROJECT_URL']}/-/blob/{given['CI_COMMIT_SHA']}"
    return ""


def diff(
    before: Path,
    after: Path,
    *,
    partial: bool,
    json_file: Path | None,
    markdown_file: Path | None,
    out: Console,
) -> ExitStatus:
    """Print the changes, write them to files, and return the status of the comparison."""
    output_file.check_all({"--json": json_file, "--markdown": markdown_file})
    was, now = result_files.read([before]), result_files.read([after])
    comparison = compare(was, now, partial=partial, across=True)
    if json_file:
        document = comparison_report.as_document(comparison)
        output_file.write(json_file, (json.dumps(document, indent=1) + "\n").encode())
    if markdown_file:
        output_file.write(markdown_file, comparison_report.as_markdown(comparison).encode())
    out.print(ComparisonReport(comparison), soft_wrap=not out.is_terminal)
    return comparison.status


def merge(results: Sequence[Path], json_file: Path, *, partial: bool = False) -> None:
    """Merge several results and write the merged one.

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


def baseline(results: Sequence[Path], folder: Path, *, force: bool) -> list[Path]:
    """Write a baseline of each kernel series to a directory and return the paths.

    Raises:
        WrongUsage: an existing baseline is fuller or better, and `force` is not given.
    """
    made = {
        folder / f"{series}.json": result
        for series, result in baseline_report.baselines(result_files.read(results))
    }
    for path, result in made.items():
        if folder.is_dir():
            output_file.check("--folder", path)
        if path.exists() and not force:
            _check_replacement(path, result)
    folder.mkdir(parents=True, exist_ok=True)
    for path, result in made.items():
        output_file.write(path, baseline_report.as_json(result).encode())
    return list(made)


def _check_replacement(path: Path, result: RunResult) -> None:
    """Raise WrongUsage if the file has answers or passes that the new baseline lacks."""
    try:
        kept = result_files.read([path])
    except WrongUsage as error:
        raise WrongUsage(f"{path} would be overwritten: {error.fact}", "--force overwrites it") from error
    catalogue = loader.load()
    planned = {cell.key for cell in make_plan(catalogue.prog_types, catalogue.cases).cells}
    if worse := baseline_report.worse_than(kept, result, planned):
        raise WrongUsage(
            f"{path} is better: the new result {worse}",
            "run all cells of the kernel, or overwrite the file with --force; `diff` shows the changes",
        )


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
