"""Results are read from files and merged. A file that is not a result is one clear error."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.errors import WrongUsage
from dynptr_harness.results import files
from dynptr_harness.results.json_format import as_json
from dynptr_harness.results.json_reader import from_json
from dynptr_harness.results.merge import merge
from dynptr_harness.results.model import COMPLETE, RunResult

from tests.unit.samples import RELEASE, cell, full, kernel_run, result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OTHER = "7.3.4+deb14-cloud-amd64"
OTHER_RUN = kernel_run(release=OTHER, selector="7.3", sha256="f" * 64)
SPLATS = kernel_run(splats=("WARNING: at boot",), consoles=("/1", "/2"), append=("nokaslr",))
UNLIKE_PASS = cell(verdict=Verdict.CRASH, ok=False, log="log", console="Oops", reason="why")


def other(*cells: Any, **changes: Any) -> RunResult:
    """Return the result of a later run of another kernel."""
    filled = cells or (cell(kernel=OTHER),)
    return result(filled, [OTHER_RUN], **{"started": "2026-02-03T04:05:06Z", **changes})


@pytest.mark.parametrize(
    "made",
    [
        result(full()),
        result([UNLIKE_PASS], [SPLATS]),
        result([]),
        merge([("a", result([cell()])), ("b", other())]),
    ],
)
def test_a_written_result_is_read_back(made: RunResult) -> None:
    assert from_json(as_json(made).encode(), "r.json") == made


def test_half_a_character_is_read_as_a_question_mark() -> None:
    text = as_json(result([cell(seen="\ud800")]))
    assert from_json(text.encode(), "r.json").cells[0].seen == "?"


def test_unknown_fields_are_ignored() -> None:
    document = json.loads(as_json(result([cell()])))
    for place in (document, document["run"], document["run"]["kernels"][0], document["cells"][0]):
        place["colour"] = "green"
    assert from_json(json.dumps(document).encode(), "r.json") == result([cell()])


def spoiled(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(as_json(result([cell(), cell("LSM")])))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "r.json is not JSON: "),
        (b"\xff\xfe", "r.json is not JSON: "),
        (b"<testsuites/>", "r.json is not JSON: "),
        (b"[]", "is not a result of dynptr-harness: it is not a JSON object"),
        (b'{"name": "x"}', 'is not a result of dynptr-harness: at the top: "schema_version" is a required'),
        (spoiled(lambda it: it.update(schema_version=2)), "is a result of format 2, and this"),
        (spoiled(lambda it: it["cells"][1].update(verdict="good")), 'at cells/1/verdict: "good" is not one'),
        (spoiled(lambda it: it["cells"].pop()), "is damaged: it has 1 of 2 cells"),
        (spoiled(lambda it: it["cells"][0].update(kernel="x")), "is damaged: it lacks the kernel"),
        (spoiled(lambda it: it["cells"][1].update(prog_type="KPROBE")), " KPROBE RSV-011 bcc twice"),
    ],
)  # fmt: skip
def test_an_invalid_result_is_wrong_usage(text: bytes, words: str) -> None:
    with pytest.raises(WrongUsage) as raised:
        from_json(text, "r.json")
    assert raised.value.fact.startswith("r.json ")
    assert words in raised.value.fact
    assert raised.value.hint
    assert "\n" not in raised.value.fact


def test_a_directory_stands_for_its_results(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(as_json(other()))
    (tmp_path / "b.json").write_text(as_json(result([cell()])))
    (tmp_path / "notes.txt").write_text("no result")
    read = files.read([tmp_path])
    assert [kernel.release for kernel in read.run.kernels] == [RELEASE, OTHER]


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.json", "cannot read the result"), ("empty", "no *.json in the directory")],
)
def test_a_path_without_a_result_is_wrong_usage(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(WrongUsage, match=words.replace("*", r"\*")):
        files.read([tmp_path / name])


def test_merged_kernels_are_sorted() -> None:
    first, second = ("a", other()), ("b", result([cell(), cell("LSM")]))
    made = merge([first, second])
    assert made == merge([second, first])
    assert [kernel.release for kernel in made.run.kernels] == [RELEASE, OTHER]
    assert [each.kernel for each in made.cells] == [RELEASE, RELEASE, OTHER]
    assert (made.totals.planned, made.totals.ok) == (3, 3)
    assert made.run.seconds == 2 * 33.25
    assert made.run.started == "2026-01-02T03:04:05Z"
    assert made.run.shards == (second[1].run, first[1].run)
    assert made.run.ended == COMPLETE


def test_shards_of_one_kernel_are_merged() -> None:
    one = result([cell()], [SPLATS])
    two = result([cell("LSM")], [replace(SPLATS, splats=(), stopped="interrupted")], ended="interrupted")
    made = merge([("a", one), ("b", two)])
    (kernel,) = made.run.kernels
    assert (kernel.boots, kernel.stopped) == (2, "interrupted")
    assert kernel.consoles == ("/1", "/2", "/1", "/2")
    assert kernel.splats == ("WARNING: at boot",)
    assert [each.prog_type for each in made.cells_of(kernel)] == ["KPROBE", "LSM"]
    assert made.run.ended == "interrupted"


def test_merged_results_can_be_merged_again() -> None:
    inner = merge([("a", result([cell()])), ("b", result([cell("LSM")]))])
    assert len(merge([("m", inner), ("c", other())]).run.shards) == 3


def test_a_merge_keeps_all_versions_and_common_packages() -> None:
    packages = {"python3-bpfcc": "0.31.0+ds-7", "zlib1g": "2"}
    made = merge([("a", result([cell()])), ("b", other(qemu="10.1.0", guest_packages=packages))])
    assert made.run.qemu == "10.0.2, 10.1.0"
    assert made.run.guest_packages == {"python3-bpfcc": "0.31.0+ds-7"}


def test_equal_cells_of_two_shards_are_merged() -> None:
    made = merge([("a", result([cell()])), ("b", result([cell(seconds=5.0)]))])
    assert made.totals.planned == 1


@pytest.mark.parametrize(
    ("one", "two", "words"),
    [
        (
            result([cell()]),
            result([cell(verdict=Verdict.FAIL, ok=False, seen="0")]),
            f"a.json and b.json contradict each other: {RELEASE} KPROBE RSV-011 bcc is pass in one and fail",
        ),
        (
            result([cell()]),
            result([cell("LSM")], [kernel_run(sha256="a" * 64)]),
            f"a.json and b.json have different kernels of one release, {RELEASE}",
        ),
        (result([cell()]), result([cell("LSM")], [SPLATS]), "have different kernels of one release"),
    ],
)
def test_contradicting_shards_are_not_merged(one: RunResult, two: RunResult, words: str) -> None:
    with pytest.raises(WrongUsage) as raised:
        merge([("a.json", one), ("b.json", two)])
    assert words in raised.value.fact
