"""The report as KTAP version 1, the test format of the Linux kernel: subtests by kernel and program type.

The format: Documentation/dev-tools/ktap.rst of the kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.text import printable
from dynptr_harness.report.repeat import command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.model import KernelRun, RunResult

VERSION = "KTAP version 1"
_INDENT = "  "
_LOG_LINES = 15


def as_ktap(result: RunResult, options: Sequence[str] = ()) -> str:
    """Return the report as text.

    A feature that the kernel lacks is a SKIP with its reason. An unexpected or missing result is 'not ok'. A
    test has the name of its case and loader, such as 'RSV-011.bcc'.

    Args:
        result: the result of a run.
        options: further options for the commands that repeat a cell.
    """
    kernels = [
        _parent(kernel.release, list(_types(kernel, result, options))) for kernel in result.run.kernels
    ]
    return "\n".join(_tests(kernels)) + "\n"


class _Test:
    """A test: its outcome, its diagnostics, and the lines of its subtests."""

    def __init__(
        self, name: str, *, ok: bool, skip: str = "", notes: Sequence[str] = (), inner: Sequence[str] = ()
    ) -> None:
        self.name = _name(name)
        self.ok = ok
        self.skip = skip
        self.notes = notes
        self.inner = inner

    def lines(self, number: int) -> Iterator[str]:
        """Yield the lines of this test, the `number`-th of its parent."""
        yield from (f"{_INDENT}{line}" for line in self.inner)
        yield from (f"# {self.name}: {note}" for note in self.notes)
        skip = f" # SKIP {self.skip}" if self.skip else ""
        yield f"{'ok' if self.ok else 'not ok'} {number} {self.name}{skip}"


def _tests(tests: Sequence[_Test]) -> Iterator[str]:
    """Yield the version, the plan and the tests."""
    yield VERSION
    yield f"1..{len(tests)}"
    for number, test in enumerate(tests, 1):
        yield from test.lines(number)


def _parent(name: str, tests: Sequence[_Test]) -> _Test:
    """Return a test with subtests. It is skipped if all of them are."""
    skip = "all subtests are skipped" if tests and all(test.skip for test in tests) else ""
    heading, *rest = _tests(tests)
    inner = [heading, f"# Subtest: {_name(name)}", *rest]
    return _Test(name, ok=all(test.ok for test in tests), skip=skip, inner=inner)


def _types(kernel: KernelRun, result: RunResult, options: Sequence[str]) -> Iterator[_Test]:
    cells_of: dict[str, list[CellResult]] = {}
    for cell in result.cells_of(kernel):
        cells_of.setdefault(cell.prog_type, []).append(cell)
    for name, cells in cells_of.items():
        yield _parent(name, [_cell(kernel, cell, options) for cell in cells])


def _cell(kernel: KernelRun, cell: CellResult, options: Sequence[str]) -> _Test:
    name = f"{cell.case}.{cell.loader}"
    if cell.ok and cell.verdict is Verdict.ABSENT:
        return _Test(name, ok=True, skip=_one_line(cell.reason or cell.seen) or "absent")
    if cell.ok:
        reason = f": {_one_line(cell.reason)}" if cell.reason else ""
        notes = [] if cell.verdict is Verdict.PASS else [f"{cell.verdict}{reason}"]
        return _Test(name, ok=True, notes=notes)
    notes = [cell.verdict.value, *_labelled("expected", cell.expected), *_labelled("seen", cell.seen)]
    for label, text in (("log", cell.log), ("console", cell.console)):
        notes += _labelled(label, "\n".join((text or "").splitlines()[-_LOG_LINES:]))
    return _Test(name, ok=False, notes=[*notes, f"repeat: {command(kernel, cell, options)}"])


def _labelled(label: str, text: str) -> Iterable[str]:
    return [f"{label}: {line}" for line in printable(text).splitlines() if line.strip()]


def _name(text: str) -> str:
    """Return a name without '#', which begins a directive."""
    return _one_line(text).replace("#", "_")


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
