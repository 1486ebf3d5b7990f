"""Markdown as GitHub and GitLab show it: tables, folded parts, and text that stays text."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from dynptr_harness.core.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 300  # characters of what a kernel said
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 .,:;()=/+-]")
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>|~@])")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the fields are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def details(title: str, body: str) -> str:
    """A part that is folded until it is clicked on."""
    return f"<details><summary>{html.escape(title)}</summary>\n\n{body}\n\n</details>"


def plain(text: str) -> str:
    """Text in which nothing is Markdown, in one line."""
    return _ACTIVE.sub(r"\\\1", " ".join(printable(text).split()))


def code(text: str) -> str:
    """What a kernel said, cut to a reasonable length, fit for a table; nothing for nothing."""
    # Markdown is looked for in HTML, too, and not in what a character reference stands for.
    escaped = _NOT_PLAIN.sub(lambda found: f"&#{ord(found[0])};", excerpt(text, _LONGEST))
    return f"<code>{escaped}</code>" if escaped else ""
