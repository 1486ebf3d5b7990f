"""Merging of results: runs of different kernels, or of different cells of a kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.kernel_version import KernelVersion
from dynptr_harness.results.model import COMPLETE, KernelRun, Provenance, RunResult, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import Key

Named = tuple[str, RunResult]  # the name of a file and its result


def merge(results: Sequence[Named]) -> RunResult:
    """Merge results into one with all kernels, oldest first, and all cells. Their order does not matter.

    A cell that several results have appears once.

    Raises:
        WrongUsage: a cell has two different answers, or two kernels have the same release.
    """
    if len(results) == 1:
        return results[0][1]
    results = sorted(results, key=lambda named: (named[1].run.started, named[0]))
    kernels = _kernels(results)
    cells = _cells(results)
    order = {kernel.release: number for number, kernel in enumerate(kernels)}
    sorted_cells = tuple(sorted(cells, key=lambda cell: order[cell.kernel]))
    return RunResult(_provenance([result for _name, result in results], kernels), sorted_cells, len(cells))


def _kernels(results: Sequence[Named]) -> tuple[KernelRun, ...]:
    merged: dict[str, KernelRun] = {}
    first: dict[str, str] = {}
    for name, result in results:
        for kernel in result.run.kernels:
            known = merged.get(kernel.release)
            if known and (known.sha256, known.append) != (kernel.sha256, kernel.append):
                raise WrongUsage(
                    f"{first[kernel.release]} and {name} have different kernels of one release, "
                    f"{kernel.release}",
                    "merge results of the same kernel image and arguments, or of different releases",
                )
            first.setdefault(kernel.release, name)
            merged[kernel.release] = _together(known, kernel) if known else kernel
    return tuple(sorted(merged.values(), key=lambda kernel: KernelVersion(kernel.release)))


def _together(one: KernelRun, other: KernelRun) -> KernelRun:
    """Merge two runs of one kernel."""
    return replace(
        one,
        accelerator=_words([one.accelerator, other.accelerator]) or None,
        guest=one.guest or other.guest,
        boots=one.boots + other.boots,
        restores=one.restores + other.restores,
        consoles=one.consoles + other.consoles,
        stopped=_words([one.stopped, other.stopped], "; ") or None,
        last_console=one.last_console or other.last_console,
        splats=tuple(dict.fromkeys(one.splats + other.splats)),
    )


def _cells(results: Sequence[Named]) -> list[CellResult]:
    cells: dict[Key, tuple[str, CellResult]] = {}
    for name, result in results:
        for cell in result.cells:
            first, known = cells.setdefault(key_of(cell), (name, cell))
            if _answer(known) != _answer(cell):
                raise WrongUsage(
                    f"{first} and {name} contradict each other: {' '.join(key_of(cell))} is "
                    f"{known.verdict} in one and {cell.verdict} in the other",
                    "merge runs of different cells; compare two runs with `diff`",
                )
    return [cell for _name, cell in cells.values()]


def _answer(cell: CellResult) -> tuple[object, ...]:
    return cell.verdict, cell.ok, cell.expected, cell.seen


def _provenance(results: Iterable[RunResult], kernels: tuple[KernelRun, ...]) -> Provenance:
    runs = [shard for result in results for shard in result.run.shards or (result.run,)]
    shards = sorted(runs, key=lambda run: run.started)
    ended = [shard.ended for shard in shards if shard.ended != COMPLETE]
    common = set.intersection(*(set(shard.guest_packages.items()) for shard in shards))
    return Provenance(
        harness=_words(shard.harness for shard in shards),
        started=shards[0].started,
        seconds=round(sum(shard.seconds for shard in shards), 3),
        qemu=_words(shard.qemu for shard in shards),
        kernels=kernels,
        guest_packages=dict(sorted(common)),
        phases=tuple(phase for shard in shards for phase in shard.phases),
        ended=_words(ended, "; ") or COMPLETE,
        shards=tuple(shards),
        isolation=_words(shard.isolation for shard in shards),
    )


def _words(words: Iterable[str | None], between: str = ", ") -> str:
    """Join the distinct words that are not empty."""
    return between.join(dict.fromkeys(word for word in words if word))
