"""Choice of the cells of a result that were not as expected, to run them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.conformance.plan import PlannedCell
    from dynptr_harness.results.model import RunResult


class Rerun:
    """The unexpected cells of a result. Cells without an answer belong to them."""

    def __init__(self, result: RunResult) -> None:
        self._result = result
        self._unexpected = [cell for cell in result.cells if not cell.ok]

    def __bool__(self) -> bool:
        return bool(self._unexpected)

    def kernels(self) -> tuple[str, ...]:
        """Return the selectors of the kernels with unexpected cells.

        A Debian kernel is named by its release, because its selector may choose a newer one now.
        """
        concerned = {cell.kernel for cell in self._unexpected}
        return tuple(
            kernel.release if kernel.package else kernel.selector
            for kernel in self._result.run.kernels
            if kernel.release in concerned
        )

    def narrow(self, release: str, cells: Sequence[PlannedCell]) -> list[PlannedCell]:
        """Return the cells that were unexpected on this kernel.

        For a kernel that is not in the result, such as a new build, return those that were unexpected on any
        kernel.
        """
        known = any(kernel.release == release for kernel in self._result.run.kernels)
        keys = {
            (cell.prog_type, cell.case, cell.loader)
            for cell in self._unexpected
            if not known or cell.kernel == release
        }
        return [cell for cell in cells if cell.key in keys]
