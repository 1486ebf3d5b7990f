"""Kernels as a list: which there are, where from, how large, and whether they are on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dynptr_harness.core.text import columns, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dynptr_harness.commands.prune import Removal
    from dynptr_harness.kernels.debian.packages import KernelPackage

HEADINGS = ("SERIES", "RELEASE", "VERSION", "SUITE", "SIZE", "STATE")


def as_document(
    kernels: Iterable[KernelPackage], sizes: Mapping[str, int], troubles: Sequence[str]
) -> dict[str, Any]:
    """The list for `kernels --json`; sizes in bytes, null where not known.

    Args:
        sizes: of the entries of the cache, by key.
        troubles: what went wrong while the lists were fetched.
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
    """The list for `kernels`: a kernel a line, wrapped where there is a width. Arguments as above."""
    rows = [
        (each.series, each.release, each.version, each.suite, _size(each, sizes), _state(each))
        for each in kernels
    ]
    if rows:
        yield from columns([HEADINGS, *rows], width)


def removed(removals: Sequence[Removal], *, dry_run: bool) -> Iterator[str]:
    """What `kernels prune` did, or would do."""
    if not removals:
        yield "nothing to remove: of each series the cache has one kernel at most"
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
    """'101 MiB' for a number of bytes."""
    return f"{round(size / (1 << 20))} MiB"


def _size(kernel: KernelPackage, sizes: Mapping[str, int]) -> str:
    size = sizes.get(kernel.key) or (0 if kernel.missing else kernel.download_size)
    return mebibytes(size) if size else ""


def _state(kernel: KernelPackage) -> str:
    if kernel.missing:
        return f"incomplete: Debian does not serve {', '.join(kernel.missing)}"
    return "cached" if kernel.cached else "to be fetched"
