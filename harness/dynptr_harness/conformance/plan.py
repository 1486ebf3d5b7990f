"""The plan of a run: the cells that the selectors choose from program types x cases."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from dynptr_harness.conformance.groups import group_of
from dynptr_harness.core.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from dynptr_harness.conformance.catalogue import Case, ProgType

_PREFIX = "BPF_PROG_TYPE_"


@dataclass(frozen=True)
class PlannedCell:
    """A cell to run: one case in one program type with one loader."""

    prog_type: ProgType
    case: Case
    loader: str

    @cached_property
    def request(self) -> dict[str, Any]:
        """The request to the agent."""
        return self.case.request(self.prog_type, self.loader)

    @property
    def key(self) -> tuple[str, str, str]:
        """Unique key in a plan: program type, case ID and loader."""
        return self.prog_type.name, self.case.id, self.loader

    @property
    def program(self) -> tuple[str, str, str]:
        """Loader, kind of request and object. Together they determine the attached program."""
        request = self.request
        return self.loader, request["kind"], request["object"] if request["kind"] == "script" else ""


@dataclass(frozen=True)
class Plan:
    """The cells to run on each kernel, ordered by type, loader and the catalogue.

    Attributes:
        inapplicable: number of selected pairs without a cell, because the case does not apply to the type.
    """

    cells: tuple[PlannedCell, ...]
    inapplicable: int = 0


def make(
    prog_types: Sequence[ProgType],
    cases: Sequence[Case],
    wanted_types: Sequence[str] = (),
    wanted_cases: Sequence[str] = (),
    wanted_loaders: Sequence[str] = (),
) -> Plan:
    """Plan the cells that names or globs select, ignoring case. No selector means all.

    Args:
        prog_types: all program types.
        cases: all cases.
        wanted_types: selectors of program types.
        wanted_cases: selectors of cases.
        wanted_loaders: names of loaders.

    Raises:
        WrongUsage: a selector matches nothing, or no chosen case applies to any chosen type.
    """
    names = [prog_type.name for prog_type in prog_types]
    type_names = select(names, wanted_types, what="program type", command="types")
    case_ids = select([case.id for case in cases], wanted_cases, what="case", command="cases")
    chosen = [prog_type for prog_type in prog_types if prog_type.name in type_names]
    chosen_cases = [case for case in cases if case.id in case_ids]
    of_all_loaders = [cell for prog_type in chosen for cell in _cells(prog_type, chosen_cases)]
    cells = tuple(cell for cell in of_all_loaders if not wanted_loaders or cell.loader in wanted_loaders)
    if of_all_loaders and not cells:
        raise WrongUsage(
            f"nothing to run: the chosen cells have no loader {' or '.join(wanted_loaders)}",
            "choose another --loader, or other cases",
        )
    if not cells:
        raise WrongUsage(
            f"nothing to run: none of the chosen cases applies to {' or '.join(sorted(type_names))}",
            "choose other cases with --case, or other program types with --prog-type",
        )
    inapplicable = sum(not case.applies(prog_type) for prog_type in chosen for case in chosen_cases)
    return Plan(cells, inapplicable)


def _cells(prog_type: ProgType, cases: Sequence[Case]) -> Iterator[PlannedCell]:
    """Yield the cells of a type, grouped by loader and program. The agent reuses an attached program."""
    cells = [
        PlannedCell(prog_type, case, loader)
        for case in cases
        if case.applies(prog_type)
        for loader in case.loaders_for(prog_type)
    ]
    loaders = list(dict.fromkeys(cell.loader for cell in cells))
    programs = list(dict.fromkeys(cell.program for cell in cells))
    yield from sorted(cells, key=lambda cell: (loaders.index(cell.loader), programs.index(cell.program)))


def select(names: Sequence[str], selectors: Sequence[str], *, what: str, command: str) -> frozenset[str]:
    """Return the names that match any of the selectors, or all names without a selector.

    Args:
        what: kind of the names, for messages.
        command: the command that lists all names, for messages.

    Raises:
        WrongUsage: a selector matches no name. The message lists similar names.
    """
    found: set[str] = set() if selectors else set(names)
    for selector in selectors:
        fitting = [name for name in names if _fits(name, selector)]
        if not fitting:
            raise WrongUsage(f"there is no {what} '{selector}'", _hint(names, _pattern(selector), command))
        found.update(fitting)
    return frozenset(found)


def fits(name: str, selectors: Sequence[str]) -> bool:
    """Return True if a name matches any of the selectors, or if there are no selectors."""
    return not selectors or any(_fits(name, selector) for selector in selectors)


def _fits(name: str, selector: str) -> bool:
    return fnmatchcase(name.upper(), _pattern(selector))


def _pattern(selector: str) -> str:
    return selector.strip().upper().removeprefix(_PREFIX)


def choose(
    cases: Sequence[Case], not_tested: Mapping[str, str], ids: Sequence[str], groups: Sequence[str] = ()
) -> tuple[list[Case], dict[str, str]]:
    """Choose the rows that match one of the IDs and one of the groups. Both are globs.

    Returns:
        The cases, and the reason for each row without a test.

    Raises:
        WrongUsage: a selector matches nothing, or no row matches both.
    """
    names = [*(case.id for case in cases), *not_tested]
    wanted = select(names, ids, what="case", command="cases")
    letters = select(list(dict.fromkeys(map(group_of, names))), groups, what="group", command="cases")
    fitting = {name for name in wanted if group_of(name) in letters}
    if not fitting:
        raise WrongUsage(f"none of the chosen cases is in group {' or '.join(sorted(letters))}")
    return (
        [case for case in cases if case.id in fitting],
        {name: reason for name, reason in not_tested.items() if name in fitting},
    )


def _hint(names: Sequence[str], pattern: str, command: str) -> str:
    core = pattern.strip("*")
    beginning = [name for name in names if core and name.startswith(core)]
    near = (
        beginning
        or get_close_matches(pattern, names, n=5)
        or [name for name in names if core and core in name]
    )
    listed = f"'dynptr-harness {command}' lists them all"
    return f"did you mean {' or '.join(near[:5])}? {listed}" if near else listed
