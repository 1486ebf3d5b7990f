"""The page about the catalogue, and the map from the kernel's selftests to our cases."""

from __future__ import annotations

from pathlib import Path

import pytest
from dynptr_harness.conformance.catalogue import CASES
from dynptr_harness.conformance.groups import GROUPS, group_of
from dynptr_harness.conformance.not_tested import NOT_TESTED
from dynptr_harness.conformance.selftests import SELFTESTS
from dynptr_harness.report.catalogue_page import as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "catalogue.md"

# Programs of dynptr_fail.c that call a helper for dynptrs of ring buffers: in 6.1, more in 6.12, in 7.3.
CALLING = 23 + 15 + 6
SEEN_BY = [(file, name, seen_by) for file, names in SELFTESTS.items() for name, seen_by in names.items()]


@pytest.mark.parametrize(
    ("name", "seen_by"), [row[1:] for row in SEEN_BY], ids=[f"{row[0]}: {row[1]}" for row in SEEN_BY]
)
def test_every_selftest_has_a_case_or_a_reason(name: str, seen_by: tuple[str, ...] | str) -> None:
    if isinstance(seen_by, str):
        assert len(seen_by) > 20, name
    else:
        assert seen_by
        assert set(seen_by) <= {case.id for case in CASES}


def test_no_relevant_selftest_is_missing() -> None:
    assert len(SELFTESTS["dynptr_fail.c"]) == CALLING
    assert not any(isinstance(seen_by, str) for seen_by in SELFTESTS["dynptr_fail.c"].values())


def test_every_row_is_in_a_group() -> None:
    assert {group_of(name) for name in [*NOT_TESTED, *(case.id for case in CASES)]} <= set(GROUPS)


def test_the_page_follows_from_the_rows() -> None:
    page = as_markdown(CASES, NOT_TESTED, SELFTESTS)
    assert PAGE.read_text() == page, f"{PAGE} is not as `make docs` would make it"


def test_the_page_counts_cases_by_group() -> None:
    page = as_markdown(CASES, NOT_TESTED, SELFTESTS)
    for group, about in GROUPS.items():
        count = sum(case.id.startswith(f"{group}-") for case in CASES)
        assert f"| {group} | {about} | {count} |" in page
