"""The page about fixes of the kernel, and the cases that it names."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from dynptr_harness.conformance.catalogue import CASES
from dynptr_harness.conformance.fixes import FIXES, HELPERS, RING, VERIFIER, Fix
from dynptr_harness.report.fixes_page import as_markdown

PAGE = Path(__file__).parents[3] / "docs" / "fixes.md"
LEAST = 60

EACH = pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.commit)


def version(fix: Fix) -> list[int]:
    return [int(number) for number in fix.version.split(".")]


@EACH
def test_a_fix_names_existing_cases_or_a_reason(fix: Fix) -> None:
    ids = {case.id for case in CASES}
    if isinstance(fix.seen_by, str):
        assert len(fix.seen_by) > 20
        assert set(re.findall(r"[A-Z]{3}-\d{3}", fix.seen_by)) <= ids
    else:
        assert fix.seen_by
        assert set(fix.seen_by) <= ids


@EACH
def test_the_fields_of_a_fix_are_well_formed(fix: Fix) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", fix.commit)
    assert re.fullmatch(r"\d+\.\d+", fix.version)
    assert fix.area in {RING, HELPERS, VERIFIER}
    assert fix.cve is None or re.fullmatch(r"CVE-\d{4}-\d{4,}", fix.cve)
    assert fix.title.startswith("bpf")


def test_the_fixes_are_unique_and_sorted_by_version() -> None:
    assert len(FIXES) >= LEAST
    assert max(Counter(fix.commit for fix in FIXES).values()) == 1
    assert [version(fix) for fix in FIXES] == sorted(version(fix) for fix in FIXES)
    assert version(FIXES[0]) >= [5, 19]


@EACH
def test_a_known_defect_has_the_version_of_its_fix(fix: Fix) -> None:
    """A known defect is expected only before the version of the fix that its source names."""
    for case in CASES:
        for difference in case.differences:
            if fix.commit in difference.source and difference.defect and difference.before:
                assert list(difference.before) == version(fix), case.id
                assert case.id in fix.seen_by


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == as_markdown(FIXES), f"{PAGE} is out of date: run `make docs`"
