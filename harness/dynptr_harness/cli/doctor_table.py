"""The findings of `doctor` as a table."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.text import Text

from dynptr_harness.commands.doctor import State
from dynptr_harness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.commands.doctor import CheckResult

_STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
_STATE_WIDTH = max(map(len, State)) + 2
_NARROWEST = 20  # columns of the fact


def as_lines(findings: Sequence[CheckResult], width: int) -> Iterator[Text]:
    """Yield lines of a table: name, state and fact of each check, and the hint below the fact.

    Args:
        width: columns of the terminal. Words are never broken, so a long path can exceed it.
    """
    name_width = max(len(finding.name) for finding in findings) + 2
    room = max(width - name_width - _STATE_WIDTH, _NARROWEST)
    for finding in findings:
        lines = [(line, "") for line in _wrapped(finding.fact, room)]
        if finding.hint:
            lines += [(line, "bold") for line in _wrapped(f"-> {finding.hint}", room)]
        for number, (line, style) in enumerate(lines):
            name, state = ("", "") if number else (finding.name, finding.state.upper())
            row = Text(f"{name:{name_width}}")
            row.append(f"{state:{_STATE_WIDTH}}", _STYLES[finding.state])
            yield row.append(line, style)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(printable(text), width, break_long_words=False, break_on_hyphens=False) or [""]
