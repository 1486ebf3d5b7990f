"""Limits of a run: time, and the number of unexpected results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from dynptr_harness.conformance.cell import CellResult


def _never(_cell: CellResult) -> bool:
    return False


@dataclass(frozen=True)
class Limits:
    """The limits of a run.

    Attributes:
        case_seconds: time for the request of one cell. None for the default of a session.
        run_seconds: time for all cells. None for no limit.
        max_failures: number of unexpected cells, of all kernels, after which no more cells run. None for no
            limit.
        excused: returns True if an unexpected cell does not count.
    """

    case_seconds: float | None = None
    run_seconds: float | None = None
    max_failures: int | None = None
    excused: Callable[[CellResult], bool] = _never


class FailureCount:
    """The number of unexpected cells of a run, over all kernels."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._failures = 0

    def add(self, cell: CellResult) -> None:
        """Count a result if it is not as expected."""
        self._failures += not cell.ok and not self._limits.excused(cell)

    @property
    def stopped(self) -> str | None:
        """Why no more cells run. None while they do."""
        limit = self._limits.max_failures
        if limit is None or self._failures < limit:
            return None
        return f"stopped after {counted(self._failures, 'unexpected cell')}"
