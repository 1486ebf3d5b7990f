"""The command that repeats one cell, and the places of its row and its C functions."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance import places
from dynptr_harness.conformance.case import COMPARED_IN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.loader import Catalogue
    from dynptr_harness.results.model import KernelRun


def command(kernel: KernelRun, cell: CellResult, options: Sequence[str] = ()) -> str:
    """Return the command that runs one cell again.

    Args:
        kernel: the kernel of the cell.
        cell: the cell.
        options: further options of the run.
    """
    name = kernel.release if kernel.package else kernel.selector
    loader = ["--loader", cell.loader] if cell.prog_type in COMPARED_IN else []
    append = [word for argument in kernel.append for word in ("--append", argument)]
    chosen = ["--kernel", name, "-t", cell.prog_type, "-c", cell.case, *loader]
    return shlex.join(["dynptr-harness", "run", *chosen, *append, *options])


@dataclass(frozen=True)
class Sources:
    """Finds the sources of cells for reports.

    Attributes:
        catalogue: the catalogue.
        options: further options of the run, for the command that repeats a cell.
    """

    catalogue: Catalogue
    options: Sequence[str] = ()

    def lines(self, kernel: KernelRun, cell: CellResult) -> list[tuple[str, list[str]]]:
        """Return labels and texts: the command that repeats the cell, its C functions, and its row."""
        found = [("repeat", [command(kernel, cell, self.options)])]
        case = next((each for each in self.catalogue.cases if each.id == cell.case), None)
        if case and (programs := places.functions(case, cell.prog_type, self.catalogue)):
            found.append(("programs" if len(programs) > 1 else "program", programs))
        if place := places.row(cell.case):
            found.append(("row", [place]))
        return found
