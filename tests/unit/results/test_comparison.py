"""Changes between two results, regressions, and the content of a baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import ExitStatus, WrongUsage
from dynptr_harness.report.comparison import ComparisonReport, as_document, as_markdown
from dynptr_harness.results.baseline import as_json, baselines
from dynptr_harness.results.comparison import Kind, Pair, compare, restricted
from dynptr_harness.results.json_format import schema
from dynptr_harness.results.json_reader import from_json
from jsonschema import Draft202012Validator
from rich.console import Console

from tests.unit.samples import FACTS, RELEASE, TYPES, cell, kernel_run, result
from tests.unit.schemas import validated

if TYPE_CHECKING:
    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.comparison import Comparison

PASS = cell()
FAILED = cell(verdict=Verdict.FAIL, ok=False, seen="reserve: 0", log="0: (85) call #198")
CRASHED = cell(verdict=Verdict.CRASH, ok=False, seen="Oops")
LOST = cell(verdict=Verdict.LOST, ok=False, seen="QEMU was ended by SIGKILL")
NOT_RUN = cell(verdict=Verdict.NOT_RUN, ok=False, seen="not run: interrupted")
DEFECT = cell(verdict=Verdict.KNOWN_DEFECT, seen="WARNING: CPU: 1 PID: 77 at ring.c:5 f+0x12", reason="known")
NEWER = "6.12.120+deb13-cloud-amd64"


def compared(before: CellResult | None, after: CellResult | None) -> Comparison:
    """Compare two results that differ in one cell. Both also have an equal cell."""
    rest = cell("LSM")
    return compare(*(result([rest, *([each] if each else [])]) for each in (before, after)))


@pytest.mark.parametrize(
    ("before", "after", "kind", "status"),
    [
        (PASS, PASS, None, ExitStatus.AS_EXPECTED),
        (PASS, FAILED, Kind.NEW_FAILURE, ExitStatus.NOT_AS_EXPECTED),
        (DEFECT, CRASHED, Kind.NEW_FAILURE, ExitStatus.NOT_AS_EXPECTED),
        (PASS, LOST, Kind.UNANSWERED, ExitStatus.ENVIRONMENT_FAILED),
        (PASS, NOT_RUN, Kind.UNANSWERED, ExitStatus.ENVIRONMENT_FAILED),
        (FAILED, LOST, Kind.UNANSWERED, ExitStatus.ENVIRONMENT_FAILED),
        (PASS, None, Kind.MISSING, ExitStatus.ENVIRONMENT_FAILED),
        (FAILED, None, Kind.MISSING, ExitStatus.ENVIRONMENT_FAILED),
        (LOST, None, Kind.MISSING, ExitStatus.AS_EXPECTED),
        (FAILED, PASS, Kind.FIXED, ExitStatus.AS_EXPECTED),
        (LOST, PASS, Kind.NEW, ExitStatus.AS_EXPECTED),
        (LOST, FAILED, Kind.NEW, ExitStatus.AS_EXPECTED),
        (LOST, NOT_RUN, None, ExitStatus.AS_EXPECTED),
        (FAILED, CRASHED, Kind.CHANGED, ExitStatus.AS_EXPECTED),
        (PASS, DEFECT, Kind.CHANGED, ExitStatus.AS_EXPECTED),
        (FAILED, replace(FAILED, seen="reserve: -1"), Kind.CHANGED, ExitStatus.AS_EXPECTED),
        (FAILED, replace(FAILED, log="another", seconds=9), None, ExitStatus.AS_EXPECTED),
        (PASS, replace(PASS, seen="reserve: -7", expected="reserve: -7"), None, ExitStatus.AS_EXPECTED),
        (
            DEFECT,
            replace(DEFECT, seen="WARNING: CPU: 0 PID: 123 at ring.c:5 f+0x34"),
            None,
            ExitStatus.AS_EXPECTED,
        ),
        (
            DEFECT,
            replace(DEFECT, seen="WARNING: CPU: 1 PID: 77 at ring.c:6 f+0x12"),
            Kind.CHANGED,
            ExitStatus.AS_EXPECTED,
        ),
        (None, PASS, Kind.NEW, ExitStatus.AS_EXPECTED),
        (None, FAILED, Kind.NEW, ExitStatus.AS_EXPECTED),
    ],
)
def test_each_change_has_a_kind(
    before: CellResult | None, after: CellResult | None, kind: Kind | None, status: ExitStatus
) -> None:
    comparison = compared(before, after)
    assert [change.kind for change in comparison.changes] == ([kind] if kind else [])
    assert comparison.status is status
    assert bool(comparison.regressions) is (status is ExitStatus.NOT_AS_EXPECTED)
    assert bool(comparison.lost_coverage) is (status is ExitStatus.ENVIRONMENT_FAILED)
    assert comparison.same == (1 if kind else 2)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (PASS, PASS, ExitStatus.AS_EXPECTED),
        (FAILED, FAILED, ExitStatus.AS_EXPECTED),
        (FAILED, CRASHED, ExitStatus.AS_EXPECTED),
        (FAILED, PASS, ExitStatus.AS_EXPECTED),
        (PASS, FAILED, ExitStatus.NOT_AS_EXPECTED),
        (PASS, None, ExitStatus.ENVIRONMENT_FAILED),
        (LOST, FAILED, ExitStatus.NOT_AS_EXPECTED),
        (None, FAILED, ExitStatus.NOT_AS_EXPECTED),
        (None, PASS, ExitStatus.AS_EXPECTED),
        (PASS, LOST, ExitStatus.ENVIRONMENT_FAILED),
        (LOST, LOST, ExitStatus.ENVIRONMENT_FAILED),
        (None, LOST, ExitStatus.ENVIRONMENT_FAILED),
    ],
)
def test_the_status_ignores_failures_of_the_baseline(
    before: CellResult | None, after: CellResult | None, status: ExitStatus
) -> None:
    assert compared(before, after).run_status is status


def of_kernels(*releases: str, **changes: Any) -> Any:
    kernels = [kernel_run(release=release, **changes) for release in releases]
    return result([cell(kernel=release) for release in releases], kernels)


@pytest.mark.parametrize(
    ("before", "after", "pairs"),
    [
        ([RELEASE], [NEWER], [(RELEASE, NEWER)]),
        ([RELEASE, NEWER], [NEWER], [(NEWER, NEWER), (RELEASE, None)]),
        (["6.1.9", "6.12.3"], ["6.12.10"], [("6.12.3", "6.12.10"), ("6.1.9", None)]),
        (["6.12.9", "6.12.10"], ["6.12.11"], [("6.12.10", "6.12.11"), ("6.12.9", None)]),
        (["6.12.9"], ["6.12.10", "6.12.11"], [(None, "6.12.10"), ("6.12.9", "6.12.11")]),
        (["6.1.9"], ["6.12.9"], [(None, "6.12.9"), ("6.1.9", None)]),
    ],
)
def test_kernels_are_matched_by_release_or_series(
    before: list[str], after: list[str], pairs: list[tuple[str | None, str | None]]
) -> None:
    comparison = compare(of_kernels(*before), of_kernels(*after))
    assert list(comparison.pairs) == [Pair(*pair) for pair in pairs]
    changed = sum(None in pair for pair in pairs)
    assert (len(comparison.changes), comparison.same) == (changed, len(pairs) - changed)


@pytest.mark.parametrize("across", [False, True])
def test_kernels_of_different_architectures_do_not_match(across: bool) -> None:
    before, after = of_kernels("6.12.9", arch="aarch64"), of_kernels("6.12.10")
    assert Pair("6.12.9", "6.12.10") not in compare(before, after, across=across).pairs


def test_the_only_kernels_of_two_results_can_be_of_different_series() -> None:
    comparison = compare(of_kernels("7.2.9"), of_kernels("7.3.4"), across=True)
    assert comparison.pairs == (Pair("7.2.9", "7.3.4"),)
    assert (comparison.changes, comparison.same) == ((), 1)
    text = shown(comparison)
    assert "Linux 7.2.9 compared with 7.3.4, another series\n" in text
    assert as_markdown(comparison).startswith("### ✅ Compared with Linux 7.2.9: ")
    several = compare(of_kernels("7.1.9", "7.2.9"), of_kernels("7.3.4"), across=True)
    assert Pair("7.2.9", "7.3.4") not in several.pairs


def test_a_difference_between_kernels_has_its_reason() -> None:
    comparison = compared(DEFECT, PASS)
    assert "    reason:    known\n" in shown(comparison)
    assert "| known-defect -\\> pass | <code>known</code> |" in as_markdown(comparison)


def test_a_partial_result_is_compared_by_its_cells() -> None:
    before = result([cell(), cell("LSM"), cell(kernel="6.1.9")], [kernel_run(), kernel_run(release="6.1.9")])
    after = result([FAILED])
    comparison = compare(before, after, partial=True)
    assert [change.kind for change in comparison.changes] == [Kind.NEW_FAILURE]
    assert comparison.ignored == 2
    assert "ignored: 2 cells of before" in shown(comparison)
    assert as_document(comparison)["ignored"] == 2
    assert [change.kind for change in compare(before, result([LOST]), partial=True).changes] == [
        Kind.UNANSWERED
    ]


def test_cells_that_were_not_run_are_not_missing() -> None:
    before = result([cell(), cell("LSM"), cell(kernel="6.1.9")], [kernel_run(), kernel_run(release="6.1.9")])
    after = result([cell(kernel=NEWER)], [kernel_run(release=NEWER)])
    comparison = compare(restricted(after, before, lambda each: each.prog_type == "KPROBE"), after)
    assert not comparison.changes
    assert [change.kind for change in compare(restricted(after, before), after).changes] == [Kind.MISSING]


FIRST = result([*(cell(name) for name in TYPES), cell("LSM", "RSV-001"), cell("LSM", "RSV-002")])
SECOND = result(
    [
        *(replace(FAILED, prog_type=name, kernel=NEWER) for name in TYPES),
        cell("LSM", "RSV-001", kernel=NEWER, verdict=Verdict.ABSENT, seen="\x1b[1mnone|of_it"),
    ],
    [kernel_run(release=NEWER)],
)


def shown(comparison: Comparison, width: int = 200) -> str:
    console = Console(file=StringIO(), width=width, highlight=False)
    console.print(ComparisonReport(comparison), soft_wrap=True)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_equal_changes_share_a_line() -> None:
    text = shown(compare(FIRST, SECOND))
    counts = f"{len(TYPES)} newly failing, 0 without an answer, 1 missing, 0 fixed, 1 changed, 0 new"
    for words in (
        f"Linux {RELEASE} became {NEWER}\n",
        f"New failures ({len(TYPES)} cells)\n  RSV-011 in all {len(TYPES)} types: pass -> FAIL ({NEWER})\n",
        "    expected:  reserve: -22\n    seen:      reserve: 0\n",
        f"Lost coverage: missing (1 cell)\n  RSV-002 in LSM: was pass ({RELEASE})\n",
        f"Changed (1 cell)\n  RSV-001 in LSM: pass -> absent ({NEWER})\n",
        f"{counts}, 0 the same: {len(TYPES)} regressions, coverage of 1 cell lost\n",
    ):
        assert words in text
    assert "\x1b" not in text


def test_a_new_kernel_lists_only_failures() -> None:
    new = result(
        [cell(kernel="7.3.4"), replace(FAILED, kernel="7.3.4", prog_type="LSM")],
        [kernel_run(release="7.3.4")],
    )
    text = shown(compare(FIRST, new))
    assert "Linux 7.3.4 is new: 2 cells, 1 not as expected\n" in text
    assert f"Linux {RELEASE} is missing: {len(FIRST.cells)} cells, 0 not as expected\n" in text
    assert "New cells (1 cell)\n  RSV-011 in LSM: FAIL (7.3.4)\n" in text
    assert "was pass" not in text


def test_no_change_is_no_regression() -> None:
    assert shown(compare(FIRST, FIRST)).endswith(f"{len(FIRST.cells)} the same: no regression\n")


def test_the_json_has_every_changed_cell() -> None:
    made = as_document(compare(FIRST, SECOND))
    assert made["regression"]
    assert made["lost_coverage"]
    assert made["counts"] == {
        "new-failure": len(TYPES), "unanswered": 0, "missing": 1, "fixed": 0, "changed": 1, "new": 0,
        "same": 0,
    }  # fmt: skip
    assert made["kernels"] == [{"before": RELEASE, "after": NEWER}]
    assert len(made["changes"]) == len(TYPES) + 2
    first = made["changes"][0]
    assert (first["kind"], first["kernel"], first["regression"]) == ("new-failure", NEWER, True)
    assert first["before"]["verdict"] == "pass"
    assert first["after"] == {
        "verdict": "fail", "ok": False, "expected": "reserve: -22", "seen": "reserve: 0",
    }  # fmt: skip
    assert made["changes"][-1]["after"] is None
    assert made["changes"][-1]["lost_coverage"]
    assert not made["changes"][-1]["regression"]
    validated("diff", json.dumps(made))


@pytest.mark.parametrize(
    ("before", "after"), [(PASS, PASS), (PASS, None), (None, FAILED), (LOST, PASS), (PASS, LOST)]
)
def test_every_comparison_matches_the_schema(before: CellResult | None, after: CellResult | None) -> None:
    validated("diff", json.dumps(as_document(compared(before, after))))


def test_markdown_folds_all_but_regressions_and_lost_coverage() -> None:
    text = as_markdown(compare(FIRST, SECOND))
    assert text.startswith("### ❌ Compared with the baseline: ")
    open_part, folded = text.split("<details>", 1)
    assert "#### Lost coverage: missing (1 cell)" in open_part
    assert as_markdown(compared(PASS, LOST)).startswith("### ⚠️ ")
    assert f"| RSV-011 | in all {len(TYPES)} types | {NEWER} | pass -\\> FAIL |" in open_part
    assert "<code>none&#124;of&#95;it</code>" in folded
    assert "### ✅" in as_markdown(compare(FIRST, FIRST))


def test_a_baseline_has_one_line_for_each_cell() -> None:
    made = result(
        [cell(log="long"), cell(kernel=NEWER), cell(kernel="7.3.4", verdict=Verdict.ABSENT, reason="none")],
        [
            kernel_run(guest={**FACTS, "seconds": {"boot": 3}}, accelerator_reason="/dev/kvm: no"),
            kernel_run(release=NEWER),
            kernel_run(release="7.3.4"),
        ],
    )
    texts = {series: as_json(each) for series, each in baselines(made)}
    assert list(texts) == ["6.12", "7.3"]
    for text in texts.values():
        Draft202012Validator(schema()).validate(json.loads(text))
    read = from_json(texts["6.12"].encode(), "6.12.json")
    assert [each.release for each in read.run.kernels] == [RELEASE, NEWER]
    assert read.run.kernels[0].sha256 == made.run.kernels[0].sha256
    assert "seconds" not in read.run.kernels[0].guest
    lines = texts["6.12"].splitlines()
    assert sum('"prog_type": "KPROBE"' in line for line in lines) == 2
    assert not any(word in texts["6.12"] for word in ("/runs/1", "/dev/kvm", "long", "reserve"))


@pytest.mark.parametrize("kind", [DEFECT, FAILED, PASS, cell(verdict=Verdict.ABSENT, reason="none")])
def test_a_result_equals_its_own_baseline(kind: CellResult) -> None:
    made = result([kind])
    ((_series, baseline),) = baselines(made)
    comparison = compare(from_json(as_json(baseline).encode(), "b"), made)
    assert (comparison.same, comparison.changes) == (1, ())


def test_missing_answers_prevent_a_baseline() -> None:
    with pytest.raises(WrongUsage, match="1 of 2 cells without an answer"):
        dict(baselines(result([LOST, cell("LSM")])))
