"""Selectors that can match several kernels."""

from __future__ import annotations

import re

ALL, OLDEST, NEWEST = "all", "oldest", "newest"
KEYWORDS = {
    ALL: "the best kernel of every series, oldest first",
    OLDEST: "the best kernel of the oldest series that has the helper",
    NEWEST: "the best kernel of the newest series",
}


def is_set(selector: str) -> bool:
    """Return True for a keyword or a shell pattern."""
    return selector in KEYWORDS or any(character in selector for character in "*?[")


def in_file_system(selector: str) -> bool:
    """Return True if a selector can be a path. A name like a series is a path only if it has a slash."""
    return "/" in selector or not (not selector or is_set(selector) or re.match(r"\d+\.\d+", selector))
