"""Text from a guest (console, verifier log), made printable for terminals and XML."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from dynptr_harness.core.kernel_log import begins_splat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
# Characters that XML 1.0 forbids, and all other control characters except line feed and tab.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """Return `text` without terminal escape sequences, and with '?' for other unprintable characters."""
    return _UNPRINTABLE.sub("?", _ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def tail(text: str, lines: int) -> tuple[str, ...]:
    """Return the last lines of `text`, printable, after a line with the number of omitted lines."""
    whole = printable(text).rstrip().splitlines()
    left_out = len(whole) - lines
    if left_out <= 0:
        return tuple(whole)
    return (f"... {counted(left_out, 'line')} before", *whole[-lines:])


def console_part(text: str, lines: int) -> tuple[str, ...]:
    """Return the lines of a console from the first panic or splat, or the last lines without one.

    A call trace that does not fit is cut at its end: its first lines have the reason.
    """
    whole = printable(text).rstrip().splitlines()
    first = next((number for number, line in enumerate(whole) if begins_splat(line)), len(whole))
    end = first + lines
    if end >= len(whole):
        return tail(text, lines)
    return (*tail("\n".join(whole[:end]), lines), f"... {counted(len(whole) - end, 'line')} more")


def excerpt(text: str, length: int) -> str:
    """Return `text` printable and on one line, cut after `length` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= length else f"{line[:length]}…"


def counted(number: int, noun: str) -> str:
    """Return '1 case' or '2 cases'."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def columns(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[str]:
    """Yield rows as lines with aligned columns.

    Args:
        rows: rows with the same number of texts.
        width: width of the terminal, to which the last column is wrapped. None to wrap nothing.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        first = "".join(f"{value:{wide}}  " for value, wide in zip(row, widths, strict=False))
        room = max(width - len(first), 20) if width else 0
        lines = _wrapped(row[-1], room) if room else [row[-1]]
        for number, line in enumerate(lines or [""]):
            yield f"{' ' * len(first) if number else first}{line}".rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """Return lines of `text`, broken between words. Only a word that is longer than a line is broken."""
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(text, width, break_on_hyphens=False, subsequent_indent=indent, tabsize=8)
