"""docs/fixes.md: fixes of the kernel, with the cases that fail without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.report.catalogue_page import table_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dynptr_harness.conformance.fixes import Fix

HEAD = """\
# Fixes of the kernel

`make docs` generates this page from `harness/dynptr_harness/conformance/fixes.py`. It lists the fixes since
Linux 5.19 that concern dynptrs or ring buffers, or that have a CVE about the verifier or its helpers. Each
fix has the cases of [the catalogue](catalogue.md) that fail without it, or the reason why there is none."""

COMMIT = "https://git.kernel.org/linus/{}"


def as_markdown(fixes: Sequence[Fix]) -> str:
    """Return the page as Markdown."""
    return "\n\n".join([HEAD, "\n".join(_counts(fixes)), "\n".join(_table(fixes))]) + "\n"


def _counts(fixes: Sequence[Fix]) -> Iterator[str]:
    yield from table_row("area", "fixes", "with a CVE", "with a case")
    yield from table_row("---", "--:", "--:", "--:")
    for area in dict.fromkeys(fix.area for fix in fixes):
        members = [fix for fix in fixes if fix.area == area]
        yield from table_row(area, *_sums(members))
    yield from table_row("all", *_sums(fixes))


def _sums(fixes: Sequence[Fix]) -> tuple[int, int, int]:
    caught = sum(not isinstance(fix.seen_by, str) for fix in fixes)
    return len(fixes), sum(bool(fix.cve) for fix in fixes), caught


def _table(fixes: Sequence[Fix]) -> Iterator[str]:
    yield from table_row("version", "commit", "title", "area", "cases, or the reason for none")
    yield from table_row("---", "---", "---", "---", "---")
    for fix in fixes:
        title = f"{fix.title} ({fix.cve})" if fix.cve else fix.title
        yield from table_row(
            fix.version, f"[{fix.commit}]({COMMIT.format(fix.commit)})", title, fix.area, _seen(fix)
        )


def _seen(fix: Fix) -> str:
    if isinstance(fix.seen_by, str):
        return fix.seen_by
    return ", ".join(f"[{case}](catalogue.md#{case.lower()})" for case in fix.seen_by)


if __name__ == "__main__":  # `make docs`
    from dynptr_harness.conformance.fixes import FIXES

    print(as_markdown(FIXES), end="")
