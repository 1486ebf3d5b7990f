"""File and line of the rows of the catalogue, and of the C functions of a case."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dynptr_harness.conformance import cases as cases_package
from dynptr_harness.conformance.c_sources import functions_of
from dynptr_harness.core.paths import bpf_src

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.loader import Catalogue

_ID = re.compile(r"[A-Z]{3}-\d{3}")
_GROUP = re.compile(r"[A-Z]{3}-")


@cache
def _rows() -> dict[str, str]:
    """Return the place of each row, by ID. The place of a group is that of the function for its rows."""
    places: dict[str, str] = {}
    for path in sorted(Path(cases_package.__file__).parent.glob("*.py")):
        for name, line in _rows_of(ast.parse(path.read_text(encoding="utf-8"))):
            places.setdefault(name, f"{_shown(path)}:{line}")
    return places


def _rows_of(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the ID and the line of each row of a module.

    A row is a call with the ID as first argument. Or it is a call, with the number as first argument, of a
    function that makes the ID of it, as in f"MAP-{number:03}".
    """
    groups = {}
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef) and (made := _made_id(function)):
            group, line = made
            groups[function.name] = group
            yield group, line
    for call in ast.walk(module):
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
            first = call.args[0].value
            if isinstance(first, str) and _ID.fullmatch(first):
                yield first, call.lineno
            elif isinstance(first, int) and isinstance(call.func, ast.Name) and call.func.id in groups:
                yield f"{groups[call.func.id]}{first:03}", call.lineno


def _made_id(function: ast.FunctionDef) -> tuple[str, int] | None:
    """Return the group and the line of an ID that a function makes, such as ('MAP-', 70), or None."""
    for node in ast.walk(function):
        if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            group = str(node.values[0].value)
            if _GROUP.fullmatch(group):
                return group, node.lineno
    return None


def row(case: str) -> str | None:
    """Return 'FILE:LINE' of the row of a case, or None if there is none."""
    return _rows().get(case) or _rows().get(case[:4])


def functions(case: Case, prog_type: str, catalogue: Catalogue) -> list[str]:
    """Return 'FILE:LINE NAME' of each C function of a case in a program type."""
    types = [each for each in catalogue.prog_types if each.name == prog_type]
    return list(_places(functions_of(case, types), catalogue))


def _places(names: Iterable[str], catalogue: Catalogue) -> Iterable[str]:
    for name in names:
        if name in catalogue.programs:
            function = catalogue.programs[name]
            yield f"{_shown(bpf_src() / function.path)}:{function.line} {name}"


def _shown(path: Path) -> str:
    """Return the path relative to the current directory if it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
