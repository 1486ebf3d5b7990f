"""Baselines: results to compare later results with, one file for each kernel series."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.kernel_version import series_of
from dynptr_harness.core.text import counted
from dynptr_harness.results.comparison import compare
from dynptr_harness.results.json_format import as_document
from dynptr_harness.results.model import UNANSWERED, RunResult, key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import KernelRun


def baselines(result: RunResult) -> Iterator[tuple[str, RunResult]]:
    """Yield each kernel series and its baseline.

    A baseline lacks what differs between runs or is not compared: times, logs, consoles, paths of this
    machine, and the observations of passed cells.

    Raises:
        WrongUsage: a cell has no answer.
    """
    if missing := sum(cell.verdict in UNANSWERED for cell in result.cells):
        raise WrongUsage(
            f"cannot make a baseline: {missing} of {counted(len(result.cells), 'cell')} without an answer",
            "use a run in which every cell has an answer",
        )
    series = dict.fromkeys(series_of(kernel.release) for kernel in result.run.kernels)
    for name in series:
        kernels = tuple(kernel for kernel in result.run.kernels if series_of(kernel.release) == name)
        cells = tuple(_cell(cell) for kernel in kernels for cell in result.cells_of(kernel))
        run = replace(
            result.run, kernels=tuple(map(_kernel, kernels)), seconds=0, phases=(), shards=(), shard=None
        )
        yield name, replace(result, run=run, cells=cells, planned=len(cells))


def worse_than(kept: RunResult, made: RunResult, planned: Collection[tuple[str, str, str]]) -> str:
    """Return how a new baseline has less coverage or more failures than the one in its place, or ''.

    Args:
        planned: cells of the catalogue, without the kernel. Other cells may disappear.
    """
    comparison = compare(kept, made)
    lost = [change for change in comparison.lost_coverage if key_of(change.cell)[1:] in planned]
    parts = [
        f"lacks {counted(len(lost), 'cell')}" if lost else "",
        f"has {counted(len(comparison.regressions), 'new failure')}" if comparison.regressions else "",
    ]
    return " and ".join(filter(None, parts))


def _kernel(kernel: KernelRun) -> KernelRun:
    guest = {name: value for name, value in kernel.guest.items() if name != "seconds"}
    return replace(kernel, guest=guest, accelerator_reason="", boots=0, restores=0, consoles=())


def _cell(cell: CellResult) -> CellResult:
    bare = replace(cell, seconds=0, log=None, console=None)
    return replace(bare, expected="", seen="") if cell.verdict is Verdict.PASS else bare


def as_json(result: RunResult) -> str:
    """Return indented JSON with one line for each cell, for readable diffs."""
    document = as_document(result)
    cells = ",\n".join(f"  {json.dumps(cell)}" for cell in document.pop("cells"))
    rest = json.dumps(document, indent=1)
    return rest.removesuffix("\n}") + f',\n "cells": [\n{cells}\n ]\n}}\n'
