"""Text that comes from a guest (console, verifier log), made fit for terminals and XML."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_log import complains

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
# Everything that XML 1.0 forbids, and the other control characters; line feed and tab stay.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """`text` without terminal escape sequences; other characters that cannot be shown become '?'."""
    return _UNPRINTABLE.sub("?", _ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def tail(text: str, lines: int) -> tuple[str, ...]:
    """The last `lines` lines of `text`, printable, after a line that says how many were left out."""
    whole = printable(text).rstrip().splitlines()
    left_out = len(whole) - lines
    if left_out <= 0:
        return tuple(whole)
    return (f"... {counted(left_out, 'line')} before", *whole[-lines:])


def console_part(text: str, lines: int) -> tuple[str, ...]:
    """The lines of a console that say most: from the kernel's first complaint on, or else the last.

    A call trace that would not fit is told from its beginning, where the kernel says what went wrong.
    """
    whole = printable(text).rstrip().splitlines()
    first = next((number for number, line in enumerate(whole) if complains(line)), len(whole))
    end = first + lines
    if end >= len(whole):
        return tail(text, lines)
    return (*tail("\n".join(whole[:end]), lines), f"... {counted(len(whole) - end, 'line')} more")


def excerpt(text: str, length: int) -> str:
    """`text` printable and in one line, of at most `length` characters and a sign that more was cut off."""
    line = " ".join(printable(text).split())
    return line if len(line) <= length else f"{line[:length]}…"


def counted(number: int, noun: str) -> str:
    """'1 case', '2 cases'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def columns(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[str]:
    """Rows as lines with their columns aligned.

    Args:
        width: of a terminal: the last column is wrapped into it; without one, a row is a line.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        first = "".join(f"{value:{wide}}  " for value, wide in zip(row, widths, strict=False))
        room = max(width - len(first), 20) if width else 0
        lines = _wrapped(row[-1], room) if room else [row[-1]]
        for number, line in enumerate(lines or [""]):
            yield f"{' ' * len(first) if number else first}{line}".rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of `text`, broken between words, and in a word only where it is longer than a line."""
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(text, width, break_on_hyphens=False, subsequent_indent=indent, tabsize=8)
