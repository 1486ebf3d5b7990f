"""The option --dry-run of `run`: list kernels, program types and cells. Nothing is fetched or booted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dynptr_harness.core.text import columns, counted
from dynptr_harness.host import HOST
from dynptr_harness.kernels import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from dynptr_harness.conformance.plan import PlannedCell
    from dynptr_harness.core.progress import Progress
    from dynptr_harness.core.settings import Settings

    Cells = Sequence[PlannedCell]


def names(
    selectors: Sequence[str], *, settings: Settings, progress: Progress, modules: Path | None
) -> list[str]:
    """Return the releases or paths of the kernels that the selectors match.

    Raises:
        WrongUsage: there is no such kernel.
        EnvironmentFailed: a tool or the network failed.
    """
    if HOST in selectors:
        return [os.uname().release]
    return [each.name for each in choose(selectors, settings=settings, progress=progress, modules=modules)]


def as_lines(kernels: Sequence[str], cells_of: Callable[[str], Cells], width: int | None) -> Iterator[str]:
    """Yield the listing: the kernels, then the program types and the cells of each different plan.

    Args:
        kernels: releases or paths.
        cells_of: returns the cells of a kernel.
        width: width of the terminal. None to wrap nothing.
    """
    kernels_of: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    plans: dict[tuple[tuple[str, str, str], ...], Cells] = {}
    for kernel in kernels:
        cells = cells_of(kernel)
        key = tuple(cell.key for cell in cells)
        kernels_of.setdefault(key, []).append(kernel)
        plans[key] = cells
    for key, same in kernels_of.items():
        types = dict.fromkeys(cell.prog_type.name for cell in plans[key])
        yield f"{counted(len(same), 'kernel')}: {', '.join(same)}"
        yield f"{counted(len(types), 'program type')}: {', '.join(types)}"
        yield (
            f"{counted(len(key), 'cell')} of each kernel:"
            if len(same) > 1
            else f"{counted(len(key), 'cell')}:"
        )
        rows = [(*cell.key, cell.case.title) for cell in plans[key]]
        yield from columns(rows, width) if rows else ()
    total = sum(len(key) * len(same) for key, same in kernels_of.items())
    yield f"{counted(total, 'cell')} would run. Nothing was fetched or booted."
