"""The list of kernels: suite, size and state of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynptr_harness.core.text import columns, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dynptr_harness.commands.prune import Removal
    from dynptr_harness.kernels.debian.packages import KernelPackage

NARROW = 104  # a narrower terminal shows no VERSION and SUITE
HEADINGS = ("SERIES", "RELEASE", "VERSION", "SUITE", "SIZE", "STATE")


def as_document(
    kernels: Iterable[KernelPackage], sizes: Mapping[str, int], troubles: Sequence[str]
) -> dict[str, Any]:
    """Return the document of `kernels --json`. Sizes are in bytes, null if unknown.

    Args:
        sizes: size of each cached kernel, by key.
        troubles: errors from fetching the package lists.
    """
    return {
        "kernels": [
            {
                "series": each.series,
                "release": each.release,
                "package": each.package,
                "version": each.version,
                "suite": each.suite,
                "cached": each.cached,
                "disk_size": sizes.get(each.key),
                "download_size": each.download_size or None,
                "missing": list(each.missing),
            }
            for each in kernels
        ],
        "troubles": list(troubles),
    }


def as_lines(
    kernels: Sequence[KernelPackage], sizes: Mapping[str, int], width: int | None = None
) -> Iterator[str]:
    """Yield the lines of `kernels`: a heading, then each kernel.

    Args:
        sizes: as in `as_document`.
        width: columns of the terminal, to wrap the last column; None for one line per kernel.
    """
    narrow = width is not None and width < NARROW
    rows = [
        HEADINGS,
        *(
            (each.series, each.release, each.version, each.suite, _size(each, sizes), _state(each, narrow))
            for each in kernels
        ),
    ]
    if kernels:
        shown = [(row[0], row[1], *row[4:]) for row in rows] if narrow else rows
        yield from columns(shown, width)


def removed(removals: Sequence[Removal], *, dry_run: bool) -> Iterator[str]:
    """Yield the lines of `kernels prune`."""
    if not removals:
        yield "nothing to remove: the cache has at most one kernel of each series"
        return
    done = "would remove" if dry_run else "removed"
    for each in removals:
        if each.in_use:
            yield f"kept {each.kernel.release}: a process uses it"
        else:
            with_snapshots = f" with {counted(each.snapshots, 'snapshot')}" if each.snapshots else ""
            yield f"{done} {each.kernel.release}{with_snapshots}: {mebibytes(each.size)}"
    yield f"{'would free' if dry_run else 'freed'} {mebibytes(sum(each.size for each in removals))}"


def mebibytes(size: int) -> str:
    """Return a number of bytes as '101 MiB'."""
    return f"{round(size / (1 << 20))} MiB"


def _size(kernel: KernelPackage, sizes: Mapping[str, int]) -> str:
    size = sizes.get(kernel.key) or (0 if kernel.missing else kernel.download_size)
    return mebibytes(size) if size else ""


def _state(kernel: KernelPackage, narrow: bool) -> str:
    """Return the state. If `narrow`, omit the release from the names of missing packages."""
    if kernel.missing and narrow:
        missing = ", ".join(name.removesuffix(f"-{kernel.release}") for name in kernel.missing)
        return f"incomplete: no {missing}"
    if kernel.missing:
        return f"incomplete: Debian does not serve {', '.join(kernel.missing)}"
    return "cached" if kernel.cached else "to be fetched"
