"""The page docs/catalogue.md: cases by group, known defects, requirements without a case, selftests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynptr_harness.conformance.groups import GROUPS, group_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dynptr_harness.conformance.case import Case, Difference

HEAD = """\
# The catalogue

`make docs` generates this page from the rows of `harness/dynptr_harness/conformance`. `dynptr-harness cases
show ID` prints the steps of a case, the expected result on each kernel, the reason, and the C programs."""

SELFTESTS_HEAD = """\
## The kernel's own selftests

The case that covers each program of `tools/testing/selftests/bpf/progs`, for all programs of Linux 6.1, 6.12
and 7.3 that use a dynptr of a ring buffer. No selftest reads records from user space."""


def as_markdown(
    cases: Sequence[Case],
    exceptions: Mapping[str, str],
    selftests: Mapping[str, Mapping[str, tuple[str, ...] | str]],
) -> str:
    """Return the page."""
    parts = (
        _groups(cases, exceptions),
        _defects(cases),
        _exceptions(exceptions),
        _cases(cases),
        _selftests(selftests),
    )
    return "\n\n".join([HEAD, *("\n".join(part) for part in parts)]) + "\n"


def _groups(cases: Sequence[Case], exceptions: Mapping[str, str]) -> Iterator[str]:
    yield "## Cases by group"
    yield ""
    yield from _row("group", "about", "cases", "differ by version", "no case")
    yield from _row("---", "---", "--:", "--:", "--:")
    for group, about in GROUPS.items():
        members = [case for case in cases if group_of(case.id) == group]
        differing = sum(bool(case.differences) for case in members)
        without = sum(group_of(name) == group for name in exceptions)
        yield from _row(group, about, len(members), differing, without)
    differing = sum(bool(case.differences) for case in cases)
    yield from _row("", "all", len(cases), differing, len(exceptions))


def _defects(cases: Sequence[Case]) -> Iterator[str]:
    yield "## Known defects"
    yield ""
    yield "A kernel with such a defect gets the verdict `known-defect`."
    yield ""
    yield from _row("case", "what must hold", "kernels", "defect")
    yield from _row("---", "---", "---", "---")
    for case in cases:
        for difference in case.differences:
            if difference.defect:
                yield from _row(case.id, case.title, _kernels(difference), difference.source)


def _kernels(difference: Difference) -> str:
    bounds = (("from", difference.since), ("before", difference.before))
    return ", ".join(f"{word} {'.'.join(map(str, version))}" for word, version in bounds if version)


def _exceptions(exceptions: Mapping[str, str]) -> Iterator[str]:
    yield "## Requirements without a case of their own"
    yield ""
    yield from _row("requirement", "reason")
    yield from _row("---", "---")
    for name, reason in sorted(exceptions.items()):
        yield from _row(name, reason)


def _cases(cases: Sequence[Case]) -> Iterator[str]:
    """Yield all cases. Other pages link to their anchors."""
    yield "## Cases"
    yield ""
    yield from _row("case", "what must hold")
    yield from _row("---", "---")
    for case in sorted(cases, key=lambda case: (list(GROUPS).index(group_of(case.id)), case.id)):
        yield from _row(f'<a id="{case.id.lower()}"></a>{case.id}', case.title)


def _selftests(selftests: Mapping[str, Mapping[str, tuple[str, ...] | str]]) -> Iterator[str]:
    yield SELFTESTS_HEAD
    for file, programs in selftests.items():
        yield ""
        yield f"### {file}"
        yield ""
        yield from _row("program", "case")
        yield from _row("---", "---")
        for name, seen_by in programs.items():
            yield from _row(f"`{name}`", seen_by if isinstance(seen_by, str) else ", ".join(seen_by))


def _row(*fields: object) -> Iterator[str]:
    yield f"| {' | '.join(str(field).replace('|', chr(92) + '|') for field in fields)} |"


if __name__ == "__main__":  # `make docs`
    from dynptr_harness.conformance.catalogue import CASES
    from dynptr_harness.conformance.not_tested import NOT_TESTED
    from dynptr_harness.conformance.selftests import SELFTESTS

    print(as_markdown(CASES, NOT_TESTED, SELFTESTS), end="")
