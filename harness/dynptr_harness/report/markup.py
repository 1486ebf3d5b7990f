"""Markdown for GitHub and GitLab: tables, folded parts, and escaped text."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from dynptr_harness.core.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST = 300  # characters of a kernel's message
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 .,:;()=/+-]")
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>|~@])")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table. The fields are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def details(title: str, body: str) -> str:
    """Return a part that is folded until it is clicked."""
    return f"<details><summary>{html.escape(title)}</summary>\n\n{body}\n\n</details>"


def plain(text: str) -> str:
    """Return text on one line with all Markdown escaped."""
    return _ACTIVE.sub(r"\\\1", " ".join(printable(text).split()))


def code(text: str) -> str:
    """Return a kernel's message as code for a table, cut to `_LONGEST` characters; '' for ''."""
    # Renderers look for Markdown inside HTML too, but not in character references.
    escaped = _NOT_PLAIN.sub(lambda found: f"&#{ord(found[0])};", excerpt(text, _LONGEST))
    return f"<code>{escaped}</code>" if escaped else ""
