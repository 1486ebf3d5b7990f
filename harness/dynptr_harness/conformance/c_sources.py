"""The functions of the C programs, found in their source text, and those that belong to a case."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.case import Case
    from dynptr_harness.conformance.prog_types import ProgType

# Text that is not code, or that precedes the return type of a function.
_ASIDE = re.compile(r"/\*.*?\*/|//[^\n]*|\bSEC\(\"[^\"]*\"\)|__attribute__\(\(.*?\)\)", re.DOTALL)
_MACRO = re.compile(r"^#define (\w+)\([^)]*\)(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_ARGUMENTS = r"\((?P<arguments>(?:[^(){};]|\([^(){};]*\))*)\)"
# A definition begins at column 0, or after blanked text. So does the use of a macro that defines functions.
_DEFINITION = re.compile(
    rf"^ *[A-Za-z_][\w \t\n*]*?\b(?P<name>\w+){_ARGUMENTS}\s*\{{.*?^\}}", re.MULTILINE | re.DOTALL
)
_USE = re.compile(r"^(?P<macro>[A-Z]\w*)\(\s*(?P<name>\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Function:
    """A function of bpf_src.

    Attributes:
        path: of its file, relative to bpf_src.
        text: its C code with the comment above it. For a function that a macro defines, the use of the macro.
        macro: definition of that macro.
        line: number of the line with its name.
    """

    path: str
    text: str
    macro: str = ""
    line: int = field(default=1, compare=False)


class Programs:
    """The functions of a set of C files, by name.

    Args:
        sources: text of each file, by its path relative to bpf_src.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def __getitem__(self, name: str) -> Function:
        return self._functions[name]

    @cached_property
    def _functions(self) -> dict[str, Function]:
        macros = {found[1]: found[0] for text in self._sources.values() for found in _MACRO.finditer(text)}
        functions: dict[str, Function] = {}
        for path, text in self._sources.items():
            code = _MACRO.sub(_blank, _ASIDE.sub(_blank, text))
            for found in _DEFINITION.finditer(code):
                line = _line(text, found)
                function = Function(path, _paragraph(text, found.start(), found.end()), line=line)
                functions[_name(found)] = function
            for found in _USE.finditer(code):
                if macro := macros.get(found["macro"]):
                    function = Function(path, _use(text, code, found), macro, _line(text, found))
                    functions |= {found["name"] + suffix: function for suffix in _suffixes(macro)}
        return functions


def functions_of(case: Case, prog_types: Sequence[ProgType]) -> tuple[str, ...]:
    """Return the C functions of a case. The example cases have one function for each of `prog_types`."""
    request = case.experiment.request()
    if request["kind"] == "phases":
        return tuple(prog_type.example for prog_type in prog_types)
    if request["kind"] == "script":
        step = f"run_{request['object'].removesuffix('s')}"
        return (step, *(["run_fill"] if any("fill" in act for act in request["acts"]) else []))
    return tuple(request.get("functions", ()))


def _blank(found: re.Match[str]) -> str:
    """Return spaces of the same length, to keep all positions in the text."""
    return re.sub(r"[^\n]", " ", found[0])


def _name(definition: re.Match[str]) -> str:
    """Return the function's name. A macro such as BPF_PROG has it as first argument."""
    name = definition["name"]
    return re.split(r"\W", definition["arguments"].strip(), maxsplit=1)[0] if name.isupper() else name


def _line(text: str, found: re.Match[str]) -> int:
    """Return the number of the line with the name of a function."""
    return text.count("\n", 0, found.start("name")) + 1


def _suffixes(macro: str) -> Iterator[str]:
    """Yield the suffixes that a macro appends to its first argument to name functions."""
    yield ""
    yield from dict.fromkeys(re.findall(r"##\s*(\w+)", macro))


def _use(text: str, code: str, found: re.Match[str]) -> str:
    """Return the use of a macro with the comment above it, which may belong to several uses."""
    depth, end = 1, found.end()
    while depth and end < len(code):
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        end += 1
    above = _paragraph(text, found.start(), found.start())
    comment = above[: above.find("*/") + 2] + "\n" if above.startswith("/*") else ""
    return comment + text[found.start() : end]


def _paragraph(text: str, start: int, end: int) -> str:
    """Return the text from `start` to `end` and the lines directly above it."""
    blank_line = text.rfind("\n\n", 0, start)
    return text[blank_line + 2 if blank_line >= 0 else 0 : end].lstrip("\n")
