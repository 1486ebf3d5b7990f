"""The reference page of the helper, from results: each sentence links to the cases that prove it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.conformance.groups import group_of
from dynptr_harness.conformance.statements import ANSWERS, CONSUMER, USAGE
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.core.kernel_version import series_of
from dynptr_harness.report.markup import plain, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.prog_types import ProgType
    from dynptr_harness.conformance.statements import Statement
    from dynptr_harness.results.model import RunResult

AVAILABLE = "ATT-002"  # passes in each program type that can call the helper
DIFFERING = (Verdict.KNOWN_DEFECT, Verdict.EXPECTED_DIFFERENCE)
LACKING = (Verdict.ABSENT, Verdict.NOT_ALLOWED)

DEFINITION = """\
## Definition

```c
static long (*bpf_ringbuf_reserve_dynptr)(void *ringbuf, __u32 size, __u64 flags, struct bpf_dynptr *ptr) =
	(void *)198;
```

Reserves `size` bytes in the ring buffer `ringbuf` for a record. The program writes the record through the
dynptr `ptr`. `size` can be a variable, while `bpf_ringbuf_reserve` requires a constant. Linux 5.19 added the
helper ([bc34dee65a65](https://github.com/torvalds/linux/commit/bc34dee65a65e9c920c420005b8a43f2a721a458)),
together with `bpf_ringbuf_submit_dynptr`, `bpf_ringbuf_discard_dynptr`, `bpf_dynptr_read`, `bpf_dynptr_write`
and `bpf_dynptr_data`."""

EXAMPLE_HEAD = """\
### Example

A complete program that was run on these kernels."""

TYPES_HEAD = """\
## Program types

A number counts the cells of the type that were as expected. In each of them, a real event ran the program.
**n/m** means that some cells were not as expected. `TYPE/variant` is another way to attach programs of a
type. *documented* marks the types that the helper's page at docs.ebpf.io lists."""

DIFFERENCES_HEAD = """\
## Differences between kernels

How these kernels differ from the newest ones, and why."""


@dataclass(frozen=True)
class _KernelCells:
    """The results of one kernel.

    Attributes:
        name: the series.
        of_case: the cells of each case.
    """

    name: str
    of_case: Mapping[str, Sequence[CellResult]]

    @property
    def has_helper(self) -> bool:
        return any(cell.verdict is Verdict.PASS for cell in self.of_case.get(AVAILABLE, ()))


def as_page(result: RunResult, prog_types: Sequence[ProgType], example: str) -> str:
    """Return the page as Markdown.

    Args:
        result: results of all kernels for the page.
        prog_types: program types of the harness, in order.
        example: source of a complete program.

    Raises:
        WrongUsage: the result lacks a case that a sentence needs.
    """
    kernels = [_answered(series_of(kernel.release), result.cells_of(kernel)) for kernel in result.run.kernels]
    having = [kernel for kernel in kernels if kernel.has_helper]
    answers = [[f"`{value}`", *_proved(statement, having)] for value, statement in ANSWERS]
    parts = (
        _head(kernels, having),
        DEFINITION,
        "## Returns\n\n" + table(["value", "when", "cases"], answers),
        "## Usage\n\n" + _list(USAGE, having),
        "### Records in the consumer\n\n" + _list(CONSUMER, having),
        f"{EXAMPLE_HEAD}\n\n```c\n{example.rstrip()}\n```",
        f"{TYPES_HEAD} {_undocumented(having, prog_types)}\n\n{_types(result, kernels, prog_types)}",
        f"{DIFFERENCES_HEAD}\n\n{_differences(having)}",
    )
    return "\n\n".join(parts) + "\n"


def _answered(name: str, cells: Sequence[CellResult]) -> _KernelCells:
    of_case: dict[str, list[CellResult]] = defaultdict(list)
    for cell in cells:
        of_case[cell.case].append(cell)
    return _KernelCells(name, of_case)


def _head(kernels: Sequence[_KernelCells], having: Sequence[_KernelCells]) -> str:
    lacking = [kernel.name for kernel in kernels if kernel not in having]
    measured = f"Linux {_and([kernel.name for kernel in having])}" if having else "no kernel with the helper"
    verb = "do" if len(lacking) > 1 else "does"
    without = f" Linux {_and(lacking)} {verb} not have the helper." if lacking else ""
    return (
        "# Helper function `bpf_ringbuf_reserve_dynptr`\n\n"
        f"Measured on {measured}.{without} `dynptr-harness docs` generated this page from the results. Each "
        "sentence links to the cases that prove it, and names the kernels that differ."
    )


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _list(statements: Sequence[Statement], kernels: Sequence[_KernelCells]) -> str:
    return "\n".join(f"- {text} ({links})" for text, links in (_proved(each, kernels) for each in statements))


def _proved(statement: Statement, kernels: Sequence[_KernelCells]) -> tuple[str, str]:
    """Return the sentence, with the kernels that differ, and links to its cases."""
    against = [f"{sign} on {_and(names)}" for sign, names in _deviations(statement, kernels).items()]
    text = f"{statement.text} *({'; '.join(against)})*" if against else statement.text
    return text, ", ".join(map(_link, statement.cases))


def _deviations(statement: Statement, kernels: Sequence[_KernelCells]) -> dict[str, list[str]]:
    """Return each deviation from `pass`, with the kernels that show it."""
    found: dict[str, list[str]] = {}
    for kernel in kernels:
        for case in statement.cases:
            if case not in kernel.of_case:
                raise WrongUsage(
                    f"the results lack {case} on Linux {kernel.name}",
                    "give results of the whole catalogue",
                )
            for cell in _applicable(kernel.of_case[case]):
                if cell.verdict is not Verdict.PASS:
                    names = found.setdefault(_word(cell), [])
                    names += [kernel.name] * (kernel.name not in names)
    return found


def _applicable(cells: Sequence[CellResult]) -> Sequence[CellResult]:
    """Return the cells of types that the kernel has, or all cells if it has none of the types."""
    had = [cell for cell in cells if not (cell.ok and cell.verdict in LACKING)]
    return had or cells


def _word(cell: CellResult) -> str:
    if not cell.ok:
        return f"**{_link(cell.case)} fails**"
    word = {Verdict.KNOWN_DEFECT: "a defect", Verdict.ABSENT: "not available"}
    return f"{_link(cell.case)}: {word.get(cell.verdict, 'a different answer')}"


def _link(case: str) -> str:
    return f"[{case}](catalogue.md#{case.lower()})"


def _undocumented(kernels: Sequence[_KernelCells], prog_types: Sequence[ProgType]) -> str:
    """Return how the kernels differ from the documented program types."""
    callable_in = {
        cell.prog_type
        for kernel in kernels
        for cell in kernel.of_case.get(AVAILABLE, ())
        if cell.verdict is Verdict.PASS
    }
    whole = [each for each in prog_types if "/" not in each.name]
    more = [f"`{each.name}`" for each in whole if each.name in callable_in and not each.is_listed]
    fewer = [f"`{each.name}`" for each in whole if each.name not in callable_in and each.is_listed]
    sentence = f"The helper also works in {_and(more)}." if more else "The helper works in no other type."
    return f"{sentence} On no measured kernel does it work in {_and(fewer)}." if fewer else sentence


def _types(result: RunResult, kernels: Sequence[_KernelCells], prog_types: Sequence[ProgType]) -> str:
    of_type: dict[tuple[str, str], list[CellResult]] = defaultdict(list)
    for cell in result.cells:
        of_type[cell.kernel, cell.prog_type].append(cell)
    rows = []
    for prog_type in prog_types:
        cells = [of_type[kernel.release, prog_type.name] for kernel in result.run.kernels]
        listed = "documented" if prog_type.is_listed else ""
        rows.append([f"`{prog_type.name}`", listed, plain(prog_type.event), *map(_count, cells)])
    return table(["program type", "", "fired by", *(kernel.name for kernel in kernels)], rows)


def _count(cells: Sequence[CellResult]) -> str:
    good = sum(cell.ok for cell in cells)
    if good < len(cells):
        return f"**{good}/{len(cells)}**"
    answers = {cell.verdict for cell in cells if cell.case == AVAILABLE} or {cell.verdict for cell in cells}
    if answers and Verdict.PASS not in answers:
        return ", ".join(sorted(answers))
    return str(len(cells)) if cells else "not run"


def _differences(kernels: Sequence[_KernelCells]) -> str:
    found: dict[tuple[str, Verdict, str], list[str]] = {}
    for kernel in kernels:
        for case, cells in kernel.of_case.items():
            for cell in cells:
                if cell.verdict in DIFFERING:
                    names = found.setdefault((case, cell.verdict, cell.reason or cell.seen), [])
                    names += [kernel.name] * (kernel.name not in names)
    order = sorted(
        found.items(), key=lambda each: (DIFFERING.index(each[0][1]), group_of(each[0][0]), each[0])
    )
    rows = [
        [_link(case), verdict, ", ".join(names), plain(reason)] for (case, verdict, reason), names in order
    ]
    return table(["case", "verdict", "kernels", "why"], rows)
