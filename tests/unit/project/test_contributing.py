"""The instructions of CONTRIBUTING.md to add a case, as far as they can be checked without a machine."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from dynptr_harness.conformance.c_sources import Programs
from dynptr_harness.conformance.cases import commit, verifier_release
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.judge import judge
from dynptr_harness.conformance.validate import faults
from dynptr_harness.conformance.verdict import Verdict
from dynptr_harness.core.paths import bpf_src
from dynptr_harness.report.describe import describe

from tests.unit.kernel_model import FACTS
from tests.unit.samples import answer

if TYPE_CHECKING:
    from types import ModuleType

    from dynptr_harness.conformance.case import Case

CONTRIBUTING = Path(__file__).parents[3] / "CONTRIBUTING.md"
SECTION = CONTRIBUTING.read_text().partition("## Add a case\n")[2].partition("\n## ")[0]
ROOT = CONTRIBUTING.parent


def blocks(language: str) -> list[str]:
    """Return the code blocks of the section in one language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", SECTION, re.MULTILINE | re.DOTALL)
    return [dedent(text) for _indent, text in found]


def row(text: str, module: ModuleType) -> Case:
    """Evaluate the row in the namespace of its module."""
    (case,) = eval(f"({text})", vars(module))  # noqa: S307  (it is ours)
    return case  # type: ignore[no-any-return]


(PROGRAM,) = blocks("c")
VERIFIER_ROW, SCRIPT_ROW = blocks("python")
ROWS = [row(VERIFIER_ROW, verifier_release), row(SCRIPT_ROW, commit)]


def programs(more: str) -> Programs:
    """Return all programs, with `more` added to the file that the section names."""
    (name,) = re.findall(r"`bpf_src/(\S+\.c)` has similar", SECTION)
    texts = {str(path.relative_to(bpf_src())): path.read_text() for path in bpf_src().rglob("*.[ch]")}
    return Programs({**texts, name: f"{texts[name]}\n{more}"})


def test_the_rows_and_the_program_are_consistent() -> None:
    assert list(faults([*CASES, *ROWS], PROG_TYPES, {}, programs(PROGRAM))) == []


def test_a_row_without_its_program_is_reported() -> None:
    missing = list(faults([*CASES, *ROWS], PROG_TYPES, {}, programs("")))
    assert missing == [
        f"VER-900: there is no C function '{name}' in bpf_src" for name in ("ver_900", "ver_900_accepted")
    ]


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.id)
def test_the_row_passes_on_a_correct_kernel(case: Case) -> None:
    kprobe = next(each for each in PROG_TYPES if each.name == "KPROBE")
    reply: dict[str, Any] = answer(case.request(kprobe))
    assert judge(case, kprobe, FACTS, reply).verdict is Verdict.PASS
    assert describe(case.experiment)


def test_the_failure_is_what_the_section_shows() -> None:
    wrong = row(VERIFIER_ROW.replace("EINVAL", "EACCES"), verifier_release)
    kprobe = PROG_TYPES[0]
    judgement = judge(wrong, kprobe, FACTS, answer(wrong.request(kprobe)))
    assert judgement.verdict is Verdict.FAIL
    for line in (f"expected:  {judgement.expected}", f"seen:      {judgement.seen}"):
        assert line in SECTION


def test_the_named_files_exist() -> None:
    for path in re.findall(r"`((?:bpf_src|harness)/\S+?)`", SECTION):
        assert (ROOT / path).exists(), path
