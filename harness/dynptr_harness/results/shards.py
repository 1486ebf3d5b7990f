"""Completeness of merged shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from dynptr_harness.results.model import Provenance, RunResult


def check_complete(result: RunResult) -> None:
    """Check that a result has all shards of each run that it has a shard of.

    Raises:
        WrongUsage: a shard is missing. The message names it.
    """
    of_plan: dict[tuple[str, int], list[Provenance]] = {}
    for run in result.run.shards or (result.run,):
        if run.shard:
            of_plan.setdefault((run.shard.plan, run.shard.count), []).append(run)
    problems = [problem for (_plan, count), runs in of_plan.items() if (problem := _missing(runs, count))]
    if problems:
        raise WrongUsage(
            f"the result is not complete: {'; '.join(problems)}",
            "run the missing shards and merge again, or give --partial; shards of one run have the same "
            "version, kernels and cells",
        )


def _missing(runs: list[Provenance], count: int) -> str:
    found = {run.shard.index for run in runs if run.shard}
    missing = [f"{index}/{count}" for index in range(1, count + 1) if index not in found]
    if not missing:
        return ""
    kernels = ", ".join(kernel.release for kernel in runs[0].kernels)
    noun = "shard" if len(missing) == 1 else "shards"
    return f"{noun} {', '.join(missing)} of {kernels} missing"
