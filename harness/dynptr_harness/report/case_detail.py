"""The output of `cases show`: everything about one case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.syntax import Syntax
from rich.text import Text

from dynptr_harness.conformance.c_sources import functions_of
from dynptr_harness.conformance.case import COMPARED_IN
from dynptr_harness.conformance.groups import GROUPS, group_of
from dynptr_harness.core.kernel_version import HELPER_SINCE
from dynptr_harness.core.text import columns
from dynptr_harness.protocol.kfuncs import KFUNCS
from dynptr_harness.report.case_list import version_text
from dynptr_harness.report.describe import describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from dynptr_harness.conformance.c_sources import Programs
    from dynptr_harness.conformance.case import Case, Difference
    from dynptr_harness.conformance.prog_types import ProgType


@dataclass(frozen=True)
class CaseReport:
    """Everything about one case, printable with rich."""

    case: Case
    prog_types: Sequence[ProgType]
    programs: Programs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the parts for rich to print."""
        width = None if options.no_wrap else options.max_width
        title = Text("\n".join(columns([(self.case.id, self.case.title)], width)))
        title.stylize("bold", 0, len(self.case.id))
        yield title
        yield Text("\n".join(columns(self._facts(), width)))
        yield from self._section(self._heading(), describe(self.case.experiment), width)
        for difference in self.case.differences:
            yield from self._section(_heading(difference), _changed_lines(self.case, difference), width)
        yield from self._code(highlighted=console.is_terminal)

    def _facts(self) -> list[tuple[str, str]]:
        case = self.case
        names = [prog_type.name for prog_type in self.prog_types if case.applies(prog_type)]
        types = ", ".join(names) if case.types else f"all {len(names)}"
        first, *others = case.loaders
        compared = [name for name in names if name in COMPARED_IN]
        place = "" if compared == names else f" in {', '.join(compared)}"
        loaders = f"{first}, and {', '.join(others)}{place}" if others and compared else first
        group = group_of(case.id)
        return [
            ("group", f"{group}: {GROUPS.get(group, '')}"),
            ("types", types),
            ("loader", loaders),
            *([("needs", ", ".join(map(_kfunc, case.kfuncs)))] if case.kfuncs else []),
            ("why", case.source),
        ]

    def _heading(self) -> str:
        since = "" if self.case.without_helper else f" since {version_text(HELPER_SINCE)}"
        but = " except as below" if self.case.differences else ""
        kernels = f", on kernels{since}{but}" if since or but else ""
        return f"Steps -> expected result{kernels}"

    def _section(self, heading: str, lines: Sequence[str], width: int | None) -> Iterator[RenderableType]:
        yield Text("\n" + "\n".join(columns([(heading,)], width)), "bold")
        for line in lines:
            text = line.lstrip()
            yield Text("\n".join(columns([(" " * (len(line) - len(text)), text)], width)))

    def _code(self, *, highlighted: bool) -> Iterator[RenderableType]:
        """Yield the C functions; only the first if each type has its own."""
        applying = [prog_type for prog_type in self.prog_types if self.case.applies(prog_type)]
        macros: set[str] = set()
        for name in functions_of(self.case, applying[:1]):
            function = self.programs[name]
            yield Text(f"\n{name}, bpf_src/{function.path}", "bold")
            new_macro = f"{function.macro}\n\n" if function.macro not in {"", *macros} else ""
            macros.add(function.macro)
            code = new_macro + function.text
            yield c_source(code, highlighted=highlighted)


def _kfunc(name: str) -> str:
    since = KFUNCS.get(name)
    return f"{name} (since {version_text(since)})" if since else name


def _heading(difference: Difference) -> str:
    since, before = version_text(difference.since), version_text(difference.before)
    kernels = " and ".join(
        [*([f"since {since}"] if since else []), *([f"before {before}"] if before else [])]
    )
    kind = "a known defect" if difference.defect else "an expected difference"
    return f"Kernels {kernels or 'of any version'} may differ, {kind}: {difference.source}"


def _changed_lines(case: Case, difference: Difference) -> list[str]:
    """Return the lines that differ from those for the newest kernels."""
    usual, other = describe(case.experiment), describe(difference.experiment)
    if len(usual) != len(other):
        return other
    return [line for line, usual_line in zip(other, usual, strict=True) if line != usual_line]


def c_source(text: str, *, highlighted: bool) -> Syntax | Text:
    """Return C code, printable with rich."""
    if not highlighted:
        return Text(text)
    return Syntax(text, "c", theme="ansi_dark", background_color="default", tab_size=8, word_wrap=True)
