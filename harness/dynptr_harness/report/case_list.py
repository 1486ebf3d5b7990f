"""The output of `cases`: the catalogue as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynptr_harness.conformance.groups import group_of
from dynptr_harness.core.text import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.case import Case, Difference
    from dynptr_harness.conformance.prog_types import ProgType, Version

_NAMED_TYPES = 3  # more types than this are counted, not named
_NARROW = 104  # columns of a terminal below which GROUP is left out and several types are only counted


def as_document(
    cases: Sequence[Case], exceptions: Mapping[str, str], prog_types: Sequence[ProgType]
) -> dict[str, Any]:
    """Return the document of `cases --json`."""
    return {
        "cases": [
            {
                "case": case.id,
                "group": group_of(case.id),
                "title": case.title,
                "prog_types": [prog_type.name for prog_type in prog_types if case.applies(prog_type)],
                "loaders": list(case.loaders),
                "source": case.source,
                "differences": [_difference(difference) for difference in case.differences],
            }
            for case in cases
        ],
        "exceptions": [{"case": name, "reason": reason} for name, reason in exceptions.items()],
    }


def as_lines(
    cases: Sequence[Case],
    exceptions: Mapping[str, str],
    prog_types: Sequence[ProgType],
    width: int | None = None,
) -> Iterator[str]:
    """Yield the lines of `cases`: each case, then the requirements without a case.

    Args:
        exceptions: requirements without a case of their own, with the reason.
        width: columns of the terminal, to wrap the titles; None for one line for each case.
    """
    if cases:
        narrow = width is not None and width < _NARROW
        named = 1 if narrow else _NAMED_TYPES
        rows = [
            ("ID", "GROUP", "TYPES", "LOADERS", "TITLE"),
            *(
                (
                    case.id,
                    group_of(case.id),
                    _types(case, prog_types, named),
                    " ".join(case.loaders),
                    case.title,
                )
                for case in cases
            ),
        ]
        yield from columns([(row[0], *row[2:]) for row in rows] if narrow else rows, width)
    if cases and exceptions:
        yield ""
    if exceptions:
        yield "Requirements without a case of their own:"
        yield from columns(list(exceptions.items()), width)


def _types(case: Case, prog_types: Sequence[ProgType], named: int) -> str:
    if not case.types:
        return "all"
    names = [prog_type.name for prog_type in prog_types if case.applies(prog_type)]
    return " ".join(names) if len(names) <= named else f"{len(names)} of {len(prog_types)}"


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "since": version_text(difference.since),
        "before": version_text(difference.before),
        "defect": difference.defect,
        "source": difference.source,
    }


def version_text(version: Version | None) -> str | None:
    """Return '6.12' for (6, 12)."""
    return ".".join(map(str, version)) if version else None
