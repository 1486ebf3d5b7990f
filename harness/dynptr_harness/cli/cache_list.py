"""The list of the cache: kinds, kernels, sizes and last use."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dynptr_harness import __version__
from dynptr_harness.cli.kernel_list import mebibytes
from dynptr_harness.core.text import columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from dynptr_harness.commands.cache import Entry, EntryRemoval

HEADINGS = ("KIND", "KERNEL", "ENTRIES", "SIZE", "LAST USED")
# Units of time with their seconds, and the number of them up to which they are shown.
UNITS = (("s", 1, 60), ("min", 60, 60), ("h", 3600, 48), ("d", 86400, 10_000))


def as_document(directory: Path, entries: Sequence[Entry], limits: Mapping[str, int]) -> dict[str, Any]:
    """Return the document of `cache --json`. Sizes are in bytes, times in seconds since 1970."""
    rows = [
        {
            "kind": each.kind,
            "key": each.key,
            "kernel": each.kernel or None,
            "size": each.size,
            "last_used": round(each.last_used),
        }
        for each in entries
    ]
    return {
        "schema_version": 1,
        "harness": __version__,
        "directory": str(directory),
        "limits_mib": dict(limits),
        "entries": rows,
    }


def as_lines(
    directory: Path, entries: Sequence[Entry], limits: Mapping[str, int], *, every: bool, width: int | None
) -> Iterator[str]:
    """Yield the lines of `cache`.

    Args:
        entries: grouped by kind.
        limits: disk space of a kind in MiB, where there is a limit.
        every: one line for each entry, not for each kernel of a kind.
        width: columns of the terminal; None for no limit.
    """
    if entries:
        table = [HEADINGS, *(map(_each if every else _together, _grouped(entries, every=every)))]
        yield from columns(table, width)
    yield f"{mebibytes(sum(each.size for each in entries))} in {directory}"
    for kind, limit in limits.items():
        used = sum(each.size for each in entries if each.kind == kind)
        yield f"{kind}: {mebibytes(used)} of at most {limit} MiB; the least recently used are removed first"


def _grouped(entries: Sequence[Entry], *, every: bool) -> list[list[Entry]]:
    if every:
        return [[each] for each in entries]
    kinds = list(dict.fromkeys(each.kind for each in entries))
    ordered = sorted(entries, key=lambda each: (kinds.index(each.kind), each.kernel))
    return [list(members) for _, members in groupby(ordered, key=lambda each: (each.kind, each.kernel))]


def _together(entries: Sequence[Entry]) -> tuple[str, ...]:
    size, last_used = sum(each.size for each in entries), max(each.last_used for each in entries)
    first = entries[0]
    return first.kind, first.kernel, str(len(entries)), mebibytes(size), ago(last_used)


def _each(entries: Sequence[Entry]) -> tuple[str, ...]:
    (entry,) = entries
    return entry.kind, entry.kernel, entry.key, mebibytes(entry.size), ago(entry.last_used)


def removed(removals: Sequence[EntryRemoval], *, dry_run: bool) -> Iterator[str]:
    """Yield the lines of `cache prune`."""
    if not removals:
        yield "nothing to remove"
        return
    done = "would remove" if dry_run else "removed"
    for kind, members in groupby(removals, key=lambda each: each.entry.kind):
        some = list(members)
        gone = [each.entry for each in some if not each.in_use]
        if gone:
            size = mebibytes(sum(each.size for each in gone))
            yield f"{done} {kind} ({len(gone)}): {size}"
        yield from (f"kept {kind} {each.entry.key}: a process uses it" for each in some if each.in_use)
    freed = sum(each.entry.size for each in removals if not each.in_use)
    yield f"{'would free' if dry_run else 'freed'} {mebibytes(freed)}"


def ago(then: float) -> str:
    """Return the time since `then`, in seconds since 1970: '5 min ago'. '' if it is 0."""
    if not then:
        return ""
    since = max(time.time() - then, 0)
    name, seconds = next((name, seconds) for name, seconds, most in UNITS if since < seconds * most)
    return f"{since / seconds:.0f} {name} ago"
