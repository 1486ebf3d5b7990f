"""The helper's reference page follows from the results."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.statements import ANSWERS, CONSUMER, USAGE
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.report.catalogue_page import as_markdown
from dynptr_harness.report.reference_page import AVAILABLE, as_page

from tests.unit.samples import cell, kernel_run, result

if TYPE_CHECKING:
    from typing import Any

    from dynptr_harness.conformance.cell import CellResult

OLD, NEW = "6.1.0-56-cloud-amd64", "6.12.107+deb13-cloud-amd64"
STATEMENTS = [*USAGE, *CONSUMER, *(statement for _, statement in ANSWERS)]
EXAMPLE = "int example(void *ctx)\n{\n}\n"


def cells(release: str) -> list[CellResult]:
    """Return a pass of every case in one type."""
    return [cell(case=case.id, kernel=release) for case in CASES]


def page(old: list[CellResult] | None = None) -> str:
    """Return the page about two kernels. The newer one passed all cases."""
    kernels = [kernel_run(release=OLD), kernel_run(release=NEW)]
    return as_page(result([*(cells(OLD) if old is None else old), *cells(NEW)], kernels), PROG_TYPES, EXAMPLE)


def old_but(case: str, **changes: Any) -> list[CellResult]:
    """Return the cells of the older kernel, one of them changed."""
    return [replace(each, **changes) if each.case == case else each for each in cells(OLD)]


def line(text: str, beginning: str) -> str:
    """Return the line that begins with this text."""
    return next(each for each in text.splitlines() if each.startswith(beginning))


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.text[:40])
def test_every_sentence_has_cases_that_exist(statement: Any) -> None:
    assert statement.cases
    assert set(statement.cases) <= {case.id for case in CASES}


def test_every_sentence_links_to_its_cases() -> None:
    text = page()
    for statement in STATEMENTS:
        said = next(each for each in text.splitlines() if statement.text in each)
        assert all(f"[{case}](catalogue.md#{case.lower()})" in said for case in statement.cases)


def test_every_link_has_an_anchor() -> None:
    anchors = set(re.findall(r'<a id="([^"]*)">', as_markdown(CASES, {}, {})))
    linked = set(re.findall(r"\(catalogue\.md#([^)]*)\)", page()))
    assert linked
    assert linked <= anchors


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": Verdict.FAIL, "ok": False}, "fails"),
        ({"verdict": Verdict.NOT_RUN, "ok": False}, "fails"),
        ({"verdict": Verdict.KNOWN_DEFECT, "reason": "why"}, "a defect"),
        ({"verdict": Verdict.EXPECTED_DIFFERENCE, "reason": "why"}, "a different answer"),
        ({"verdict": Verdict.ABSENT}, "not available"),
    ],
    ids=lambda value: str(value.get("verdict")) if isinstance(value, dict) else "",
)
def test_a_sentence_names_the_kernels_that_differ(changes: dict[str, Any], said: str) -> None:
    against = line(page(old_but("VER-001", **changes)), "- A program must release every reservation")
    assert re.search(rf"VER-001\]\(catalogue\.md#ver-001\):? {said}(\*\*)? on 6\.1\)", against)
    assert "6.1" not in line(page(), "- A program must release every reservation")


@pytest.mark.parametrize("verdict", [Verdict.KNOWN_DEFECT, Verdict.EXPECTED_DIFFERENCE])
def test_a_difference_is_listed_with_its_reason_and_kernel(verdict: Verdict) -> None:
    text = page(old_but("DYN-020", verdict=verdict, reason="a commit did it"))
    assert f"| [DYN-020](catalogue.md#dyn-020) | {verdict} | 6.1 | a commit did it |" in text


def test_a_missing_type_does_not_contradict_a_sentence() -> None:
    lacking = cell("NETFILTER", "VER-001", kernel=OLD, verdict=Verdict.ABSENT)
    assert "6.1" not in line(page([*cells(OLD), lacking]), "- A program must release every reservation")


def test_a_kernel_without_the_helper_proves_nothing() -> None:
    absent = [replace(each, verdict=Verdict.ABSENT) for each in cells(OLD)]
    text = page(absent)
    assert "Measured on Linux 6.12. Linux 6.1 does not have the helper." in text
    assert "6.1)" not in text
    assert line(text, "| `KPROBE`").endswith(f"| absent | {len(CASES)} |")


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (
            {"KPROBE", "XDP", "SK_SKB"},
            "The helper also works in `SK_SKB` and `XDP`. On no measured kernel",
        ),
        ({"KPROBE", "KPROBE/uprobe"}, "The helper works in no other type. On no measured kernel"),
        ({each.name for each in PROG_TYPES if each.is_listed}, "The helper works in no other type.\n"),
    ],
)
def test_undocumented_types_are_named(passed: set[str], said: str) -> None:
    of_types = [cell(name, AVAILABLE, kernel=NEW) for name in passed - {"KPROBE"}]
    text = as_page(result([*cells(NEW), *of_types], [kernel_run(release=NEW)]), PROG_TYPES, EXAMPLE)
    assert said in text
    assert line(text, "| `KPROBE` |").startswith("| `KPROBE` | documented |")
    assert line(text, "| `XDP` |").startswith("| `XDP` |  |")


def test_a_type_in_which_a_case_fails_stands_out() -> None:
    failed = old_but(AVAILABLE, verdict=Verdict.FAIL, ok=False)
    assert f"**{len(CASES) - 1}/{len(CASES)}**" in line(page(failed), "| `KPROBE`")


def test_incomplete_results_are_rejected() -> None:
    with pytest.raises(WrongUsage, match=r"lack VER-062 on Linux 6\.1$"):
        page([each for each in cells(OLD) if each.case != "VER-062"])


def test_the_example_is_on_the_page() -> None:
    assert f"```c\n{EXAMPLE}```" in page()
