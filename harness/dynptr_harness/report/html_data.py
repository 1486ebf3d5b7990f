"""The data of the HTML page: each text once, and the cells as columns of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.c_sources import functions_of
from dynptr_harness.conformance.groups import GROUPS, group_of
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.kernel_version import series_of
from dynptr_harness.core.text import printable
from dynptr_harness.results.comparison import Kind

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.loader import Catalogue
    from dynptr_harness.results.comparison import Comparison
    from dynptr_harness.results.model import KernelRun, RunResult

MISSING = "missing"  # in place of a verdict, for a cell that only the baseline has
_NONE = -1
_FACTS = ("package", "package_version", "origin", "sha256", "arch", "accelerator", "accelerator_reason")
_GUEST_FACTS = ("version", "bcc", "libbpf", "clang", "clang_of_objects", "python")


class _Numbered:
    """Numbers hashable objects in the order of their first use."""

    def __init__(self, known: Iterable[Hashable] = ()) -> None:
        self._numbers = {each: number for number, each in enumerate(known)}

    def __getitem__(self, thing: Hashable) -> int:
        return self._numbers.setdefault(thing, len(self._numbers))

    def all(self) -> list[Any]:
        """Return the objects in the order of their numbers."""
        return list(self._numbers)


class PageData:
    """The data of the page: `document` for the matrix, `texts` and `functions` for details."""

    def __init__(self, result: RunResult, catalogue: Catalogue, comparison: Comparison | None) -> None:
        self._result = result
        self._catalogue = catalogue
        self._comparison = comparison
        self._texts = _Numbered()
        self._answers = _Numbered()
        self._verdicts = _Numbered([*Verdict, MISSING])
        self._kernels = _Numbered(kernel.release for kernel in result.run.kernels)
        used = {cell.prog_type for cell in self._all_cells()}
        self._types = _Numbered(each.name for each in catalogue.prog_types if each.name in used)
        used = {cell.case for cell in self._all_cells()}
        self._cases = _Numbered(case.id for case in catalogue.cases if case.id in used)
        self._loaders = _Numbered()
        self._columns: dict[str, list[int]] = {
            name: [] for name in ("kernel", "type", "case", "loader", "answer", "ms", "change", "was")
        }
        self._fill()

    @property
    def texts(self) -> list[str]:
        """The texts that the answers refer to by number."""
        return self._texts.all()

    @property
    def functions(self) -> list[str]:
        """The C functions of all cases and program types on the page."""
        shown = set(self._cases.all())
        cases = [case for case in self._catalogue.cases if case.id in shown]
        named = [name for case in cases for name in functions_of(case, ())]
        return list(dict.fromkeys([*named, *filter(None, map(self._example, self._types.all()))]))

    def document(self) -> dict[str, Any]:
        """Return the data of the matrix."""
        run = self._result.run
        return {
            "run": {
                "harness": run.harness, "qemu": run.qemu, "started": run.started, "seconds": run.seconds,
                "ended": run.ended, "jobs": run.jobs, "isolation": run.isolation,
                "shards": len(run.shards), "packages": dict(run.guest_packages),
            },
            "totals": {"planned": self._result.totals.planned, "ok": self._result.totals.ok},
            "baseline": self._baseline(),
            "kernels": [_kernel(kernel) for kernel in run.kernels],
            "types": [
                {"name": name, "event": self._event(name), "example": self._example(name)}
                for name in self._types.all()
            ],
            "groups": GROUPS,
            "cases": [self._case(name) for name in self._cases.all()],
            "loaders": self._loaders.all(),
            "verdicts": self._verdicts.all(),
            "changes": [kind.value for kind in Kind],
            "answers": self._answers.all(),
            "cells": self._columns,
        }  # fmt: skip

    def _fill(self) -> None:
        changes = {}
        if self._comparison:
            changes = {id(change.after): change for change in self._comparison.changes if change.after}
        for cell in self._result.cells:
            change = changes.get(id(cell))
            was = self._answer(change.before) if change and change.before else _NONE
            self._add(cell, cell.kernel, self._answer(cell), change.kind if change else None, was)
        for cell, kernel in self._missing():
            gone = (self._verdicts[MISSING], not cell.ok, *[_NONE] * 5)
            self._add(cell, kernel, self._answers[gone], Kind.MISSING, self._answer(cell))

    def _add(self, cell: CellResult, kernel: str, answer: int, kind: Kind | None, was: int) -> None:
        row = (
            self._kernels[kernel], self._types[cell.prog_type], self._cases[cell.case],
            self._loaders[cell.loader], answer, round(cell.seconds * 1000),
            _NONE if kind is None else list(Kind).index(kind), was,
        )  # fmt: skip
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    def _missing(self) -> list[tuple[CellResult, str]]:
        """Return the cells that only the baseline has, each with the kernel that lacks it."""
        if not self._comparison:
            return []
        became = {pair.before: pair.after for pair in self._comparison.pairs if pair.before and pair.after}
        gone = [change.before for change in self._comparison.of(Kind.MISSING)]
        return [(cell, became[cell.kernel]) for cell in gone if cell and cell.kernel in became]

    def _all_cells(self) -> Iterable[CellResult]:
        yield from self._result.cells
        for cell, _kernel in self._missing():
            yield cell

    def _answer(self, cell: CellResult) -> int:
        texts = (cell.expected, cell.seen, cell.reason, cell.log, cell.console)
        numbers = (self._texts[printable(text)] if text else _NONE for text in texts)
        return self._answers[(self._verdicts[cell.verdict], cell.ok, *numbers)]

    def _baseline(self) -> dict[str, Any] | None:
        if not self._comparison:
            return None
        before = self._comparison.before.run
        pairs = [pair._asdict() for pair in self._comparison.pairs]
        counts = {kind.value: len(self._comparison.of(kind)) for kind in Kind}
        return {"started": before.started, "harness": before.harness, "kernels": pairs, "counts": counts}

    def _case(self, name: str) -> dict[str, Any]:
        case = next((case for case in self._catalogue.cases if case.id == name), None)
        if not case:
            return {"id": name, "group": group_of(name), "title": "", "source": "", "functions": []}
        functions = functions_of(case, ())
        return {
            "id": name, "group": group_of(name), "title": case.title, "source": case.source,
            "functions": functions, "example": self._is_of_type(case),
        }  # fmt: skip

    def _event(self, name: str) -> str:
        return next((each.event for each in self._catalogue.prog_types if each.name == name), "")

    def _is_of_type(self, case: Case) -> bool:
        """Return True if the functions of the case are the examples of the program types."""
        return not functions_of(case, ()) and bool(functions_of(case, self._catalogue.prog_types))

    def _example(self, name: str) -> str:
        """Return the example function of a program type, or ''."""
        prog_types = [each for each in self._catalogue.prog_types if each.name == name]
        case = next(filter(self._is_of_type, self._catalogue.cases), None)
        return next(iter(functions_of(case, prog_types)), "") if case else ""


def _kernel(kernel: KernelRun) -> dict[str, Any]:
    guest = {name: kernel.guest[name] for name in _GUEST_FACTS if name in kernel.guest}
    added = {"append": " ".join(kernel.append)} if kernel.append else {}
    return {
        "release": kernel.release, "series": series_of(kernel.release), "boots": kernel.boots,
        "stopped": kernel.stopped, "splats": list(map(printable, kernel.splats)),
        "facts": {name: str(value) for name in _FACTS if (value := getattr(kernel, name))} | added | guest,
    }  # fmt: skip
