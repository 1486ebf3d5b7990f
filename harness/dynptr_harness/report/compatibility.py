"""The output of `types --compat`: whether a program type can use the helper on each kernel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.judge import NOT_TO_BE_HAD
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.kernel_version import series_of
from dynptr_harness.core.text import columns, counted, excerpt
from dynptr_harness.report.markup import plain, table
from dynptr_harness.report.type_table import FIRING
from dynptr_harness.results.model import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.conformance.prog_types import ProgType
    from dynptr_harness.results.model import RunResult

_LONGEST = 160  # characters of a reason
_FEW = 6  # program types named in a note
_USABLE = frozenset({Verdict.PASS, Verdict.EXPECTED_DIFFERENCE, Verdict.KNOWN_DEFECT})
MEANING = (
    "yes: programs of the type load, attach and run, and their records arrive. partly: not with every way to "
    "attach them, or a case is not as expected. no: the kernel refuses them. ?: there is no result."
)


class Support(StrEnum):
    """The answer to a developer."""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def word(self) -> str:
        """The answer in a table."""
        return "?" if self is Support.UNKNOWN else self.value


@dataclass(frozen=True)
class Compatibility:
    """The answer for one program type, with all its attach variants, on one kernel.

    Attributes:
        kernel: the release.
        prog_type: the name.
        reasons: why the answer is not `yes`.
    """

    kernel: str
    prog_type: str
    answer: Support
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompatibilityTable:
    """The answers.

    Attributes:
        kernels: releases, in the order of the results.
        prog_types: program types without attach variants, in the order of the catalogue.
        answers: for each program type, one answer for each kernel in the same order.
    """

    kernels: tuple[str, ...]
    prog_types: tuple[str, ...]
    answers: tuple[tuple[Compatibility, ...], ...]

    @classmethod
    def of(cls, result: RunResult, prog_types: Sequence[ProgType]) -> CompatibilityTable:
        """Return the table of a result. Program types without any cell are left out."""
        known = [prog_type.name for prog_type in prog_types]
        of_type: dict[tuple[str, str], list[CellResult]] = {}
        for cell in result.cells:
            of_type.setdefault((cell.kernel, cell.prog_type), []).append(cell)
        used = {_family(prog_type) for _kernel, prog_type in of_type}
        families = tuple(name for name in dict.fromkeys(map(_family, known)) if name in used)
        kernels = tuple(kernel.release for kernel in result.run.kernels)
        answers = []
        for family in families:
            names = [name for name in known if _family(name) == family]
            of_kernel = []
            for kernel in kernels:
                cells = {name: of_type[kernel, name] for name in names if (kernel, name) in of_type}
                of_kernel.append(Compatibility(kernel, family, *_answer(family, cells)))
            answers.append(tuple(of_kernel))
        return cls(kernels, families, tuple(answers))

    @property
    def heads(self) -> list[str]:
        """The kernels as columns: the series, or the release if two have one series."""
        series = [series_of(release) for release in self.kernels]
        return [
            name if series.count(name) == 1 else release
            for name, release in zip(series, self.kernels, strict=True)
        ]

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield the answers of each program type in words."""
        for prog_type, row in zip(self.prog_types, self.answers, strict=True):
            yield prog_type, *(each.answer.word for each in row)

    def notes(self) -> Iterator[tuple[str, str]]:
        """Yield each reason once, after the answer, the kernels and the program types that it explains."""
        head = dict(zip(self.kernels, self.heads, strict=True))
        found: dict[tuple[Support, str], dict[str, list[str]]] = {}
        for each in (each for row in self.answers for each in row):
            for reason in each.reasons:
                of_type = found.setdefault((each.answer, reason), {})
                of_type.setdefault(each.prog_type, []).append(head[each.kernel])
        for (answer, reason), of_type in found.items():
            alike: dict[tuple[str, ...], list[str]] = {}
            for prog_type, kernels in of_type.items():
                alike.setdefault(tuple(kernels), []).append(prog_type)
            for places, names in alike.items():
                yield f"{answer.word} on {', '.join(places)}: {_named(names)}", reason


def as_lines(made: CompatibilityTable, width: int | None = None) -> Iterator[str]:
    """Yield the table and the reasons as text.

    Args:
        width: columns of the terminal; None to wrap nothing.
    """
    yield from columns([("program type", *made.heads), *made.rows()])
    yield ""
    yield from columns([(MEANING,)], width)
    for place, reason in made.notes():
        yield ""
        yield from columns([(place,)], width)
        yield from columns([("", reason)], width)


def as_markdown(made: CompatibilityTable) -> str:
    """Return the table and the reasons as Markdown."""
    bold = {Support.NO.word: "**no**", Support.PARTLY.word: "*partly*"}
    rows = [[f"`{row[0]}`", *(bold.get(word, word) for word in row[1:])] for row in made.rows()]
    parts = [
        "## Program types that can call bpf\\_ringbuf\\_reserve\\_dynptr",
        f"Measured on Linux {plain(', '.join(made.kernels))}.",
        table(["program type", *made.heads], rows),
        plain(MEANING),
    ]
    if notes := [f"- {plain(place)}: {plain(reason)}" for place, reason in made.notes()]:
        parts += ["### Reasons", "\n".join(notes)]
    return "\n\n".join(parts) + "\n"


def as_document(made: CompatibilityTable) -> dict[str, Any]:
    """Return the document of `types --compat --json`."""
    return {
        "schema_version": 1,
        "kernels": list(made.kernels),
        "prog_types": [
            {
                "prog_type": prog_type,
                "answers": [
                    {"kernel": each.kernel, "answer": each.answer.value, "reasons": list(each.reasons)}
                    for each in row
                ],
            }
            for prog_type, row in zip(made.prog_types, made.answers, strict=True)
        ],
    }


def _family(prog_type: str) -> str:
    return prog_type.partition("/")[0]


def _named(prog_types: Sequence[str]) -> str:
    if len(prog_types) <= _FEW:
        return ", ".join(prog_types)
    return f"{', '.join(prog_types[:_FEW])} and {counted(len(prog_types) - _FEW, 'more type')}"


def _answer(family: str, cells: dict[str, list[CellResult]]) -> tuple[Support, tuple[str, ...]]:
    """Return the answer for a type and its reasons.

    Args:
        cells: cells of the type and of its attach variants, by name.
    """
    example = _example(cells.get(family, ()))
    if example is None:
        return Support.UNKNOWN, ()
    if example.verdict not in _USABLE and example.verdict is not Verdict.NOT_FIRED:
        return Support.NO, (_reason(example),)
    missing: dict[str, list[str]] = {}
    for name, of_name in cells.items():
        shown = _example(of_name)
        if shown and shown.verdict not in _USABLE:
            way = name.partition("/")[2] or name
            missing.setdefault(_reason(shown).removeprefix(f"no {name}: "), []).append(way)
    reasons = [f"without {', '.join(ways)}: {reason}" for reason, ways in missing.items()]
    wrong = [cell.case for each in cells.values() for cell in each if not cell.ok and _is_answered(cell)]
    if wrong:
        reasons.append(f"not as expected: {', '.join(dict.fromkeys(wrong))}")
    return (Support.PARTLY, tuple(reasons)) if reasons else (Support.YES, ())


def _example(cells: Sequence[CellResult]) -> CellResult | None:
    """Return the cell that loads, attaches and fires the type's example; None if it has no answer."""
    for cell in cells:
        if cell.case.startswith(FIRING):
            on_other_hosts = (cell.reason or "").startswith(NOT_TO_BE_HAD)
            return cell if _is_answered(cell) and not on_other_hosts else None
    return None


def _is_answered(cell: CellResult) -> bool:
    return cell.verdict not in UNANSWERED


def _reason(cell: CellResult) -> str:
    text = cell.reason or cell.seen or cell.verdict.value
    return excerpt(text if cell.ok else f"{cell.verdict}: {text}", _LONGEST)
