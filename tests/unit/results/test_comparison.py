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
from dynptr_harness.results.baseline import baselines
from dynptr_harness.results.comparison import Kind, Pair, compare, restricted
from dynptr_harness.results.json_format import schema
from dynptr_harness.results.json_reader import from_json
from jsonschema import Draft202012Validator
from rich.console import Console

from tests.unit.samples import FACTS, RELEASE, TYPES, cell, kernel_run, result

if TYPE_CHECKING:
    from dynptr_harness.conformance.cell import CellResult
    from dynptr_harness.results.comparison import Comparison

PASS = cell()
FAILED = cell(verdict=Verdict.FAIL, ok=False, seen="reserve: 0", log="0: (85) call #198")
CRASHED = cell(verdict=Verdict.CRASH, ok=False, seen="Oops")
LOST = cell(verdict=Verdict.LOST, ok=False, seen="QEMU was ended by SIGKILL")
DEFECT = cell(verdict=Verdict.KNOWN_DEFECT, seen="WARNING: CPU: 1 PID: 77 at ring.c:5 f+0x12", reason="known")
NEWER = "6.12.120+deb13-cloud-amd64"


def compared(before: CellResult | None, after: CellResult | None) -> Comparison:
    """Compare two results that differ in one cell. Both also have an equal cell."""
    rest = cell("LSM")
    return compare(*(result([rest, *([each] if each else [])]) for each in (before, after)))


@pytest.mark.parametrize(
    ("before", "after", "kind", "is_regression"),
    [
        (PASS, PASS, None, False),
        (PASS, FAILED, Kind.NEW_FAILURE, True),
        (DEFECT, CRASHED, Kind.NEW_FAILURE, True),
        (PASS, LOST, Kind.NEW_FAILURE, True),
        (PASS, None, Kind.MISSING, True),
        (FAILED, None, Kind.MISSING, False),
        (FAILED, PASS, Kind.FIXED, False),
        (LOST, PASS, Kind.FIXED, False),
        (FAILED, CRASHED, Kind.CHANGED, False),
        (PASS, DEFECT, Kind.CHANGED, False),
        (FAILED, replace(FAILED, seen="reserve: -1"), Kind.CHANGED, False),
        (FAILED, replace(FAILED, log="another", seconds=9), None, False),
        (PASS, replace(PASS, seen="reserve: -7", expected="reserve: -7"), None, False),
        (DEFECT, replace(DEFECT, seen="WARNING: CPU: 0 PID: 123 at ring.c:5 f+0x34"), None, False),
        (DEFECT, replace(DEFECT, seen="WARNING: CPU: 1 PID: 77 at ring.c:6 f+0x12"), Kind.CHANGED, False),
        (None, PASS, Kind.NEW, False),
        (None, FAILED, Kind.NEW, False),
    ],
)
def test_each_change_has_a_kind(
    before: CellResult | None, after: CellResult | None, kind: Kind | None, is_regression: bool
) -> None:
    comparison = compared(before, after)
    assert [change.kind for change in comparison.changes] == ([kind] if kind else [])
    assert bool(comparison.regressions) is is_regression
    assert comparison.same == (1 if kind else 2)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (PASS, PASS, ExitStatus.AS_EXPECTED),
        (FAILED, FAILED, ExitStatus.AS_EXPECTED),
        (FAILED, CRASHED, ExitStatus.AS_EXPECTED),
        (FAILED, PASS, ExitStatus.AS_EXPECTED),
        (PASS, FAILED, ExitStatus.NOT_AS_EXPECTED),
        (PASS, None, ExitStatus.NOT_AS_EXPECTED),
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


def test_kernels_of_different_architectures_do_not_match() -> None:
    comparison = compare(of_kernels("6.12.9", arch="aarch64"), of_kernels("6.12.10"))
    assert Pair("6.12.9", "6.12.10") not in comparison.pairs


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
    counts = f"{len(TYPES)} newly failing, 1 missing, 0 fixed, 1 changed, 0 new, 0 the same"
    for words in (
        f"Linux {RELEASE} became {NEWER}\n",
        f"New failures ({len(TYPES)} cells)\n  RSV-011 in all {len(TYPES)} types: pass -> FAIL ({NEWER})\n",
        "    expected:  reserve: -22\n    seen:      reserve: 0\n",
        f"Missing (1 cell)\n  RSV-002 in LSM: was pass ({RELEASE})\n",
        f"Changed (1 cell)\n  RSV-001 in LSM: pass -> absent ({NEWER})\n",
        f"{counts}: {len(TYPES) + 1} regressions\n",
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
    assert made["counts"] == {
        "new-failure": len(TYPES), "missing": 1, "fixed": 0, "changed": 1, "new": 0, "same": 0,
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
    json.dumps(made)


def test_markdown_folds_all_but_regressions() -> None:
    text = as_markdown(compare(FIRST, SECOND))
    assert text.startswith("### ❌ Compared with the baseline: ")
    open_part, folded = text.split("<details>", 1)
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
    texts = dict(baselines(made))
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
    (text,) = dict(baselines(made)).values()
    comparison = compare(from_json(text.encode(), "b"), made)
    assert (comparison.same, comparison.changes) == (1, ())


def test_missing_answers_prevent_a_baseline() -> None:
    with pytest.raises(WrongUsage, match="1 of 2 cells without an answer"):
        dict(baselines(result([LOST, cell("LSM")])))
