"""An invalid row is reported, with its faults, before any kernel boots."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.c_sources import Programs
from dynptr_harness.conformance.case import Difference
from dynptr_harness.conformance.experiments.script import Event, Reserve, Script, Step, script
from dynptr_harness.conformance.experiments.verifier import Verification, accepted
from dynptr_harness.conformance.loader import load
from dynptr_harness.conformance.validate import faults, validate
from dynptr_harness.core.errors import WrongUsage

from tests.unit.samples import sample_case, sample_type

if TYPE_CHECKING:
    from dynptr_harness.conformance.case import Case

TYPES = [sample_type("KPROBE"), sample_type("LSM")]
PROGRAMS = Programs(
    {
        "cases/file.c": "\n".join(
            f"int {name}(void *ctx)\n{{\n}}\n" for name in ("aaa_001", "aaa_001_accepted", "run_step")
        )
    }
)
RIGHT = sample_case("AAA-001")
SCRIPT = script(Event((Step((Reserve(8),)),)))
OTHER_SCRIPT = script(Event((Step((Reserve(9),)),)))


def of(case: Case, *others: Case, not_tested: dict[str, str] | None = None) -> list[str]:
    return list(faults([case, *others], TYPES, not_tested or {}, PROGRAMS))


def test_a_sound_catalogue_has_no_faults() -> None:
    older = Difference(Verification((accepted("aaa_001"), accepted("aaa_001_accepted")), "file"), "v6.1")
    assert of(replace(RIGHT, differences=(older,), types=("LSM",), loaders=("bcc", "libbpf"))) == []
    assert of(sample_case("AAA-002", experiment=SCRIPT), RIGHT, not_tested={"AAA-003": "why"}) == []


def test_the_catalogue_is_sound() -> None:
    assert load().cases


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        (sample_case("AAA-002"), "AAA-002: there is no C function 'aaa_002' in bpf_src"),
        (replace(RIGHT, types=("KPROBE", "KPROBES")), "AAA-001: there is no program type 'KPROBES'"),
        (replace(RIGHT, loaders=("bcc", "llvm")), "AAA-001: there is no loader 'llvm'"),
        (replace(RIGHT, loaders=()), "AAA-001: it has no loader"),
        (
            sample_case("AAA-001", experiment=SCRIPT, differences=(Difference(OTHER_SCRIPT, "v6.1"),)),
            "AAA-001: a difference asks the agent for something else than the case (v6.1)",
        ),
        (
            sample_case(
                "AAA-001", experiment=Script((), 8192), differences=(Difference(Script(()), "v6.1"),)
            ),
            "AAA-001: a difference asks the agent for something else than the case (v6.1)",
        ),
    ],
)
def test_a_wrong_row_is_named_with_its_fault(case: Case, fault: str) -> None:
    assert fault in of(case)


def test_two_rows_of_one_id_and_a_row_that_is_an_exception_too_are_faults() -> None:
    assert of(RIGHT, RIGHT) == ["AAA-001: 2 rows have this ID"]
    assert of(RIGHT, not_tested={"AAA-001": "why"}) == ["AAA-001: it is a row, and an exception too"]


def test_all_faults_are_one_message_of_wrong_usage() -> None:
    with pytest.raises(WrongUsage) as raised:
        validate([sample_case("AAA-002"), replace(RIGHT, types=("XDP",))], TYPES, {}, PROGRAMS)
    lines = raised.value.fact.splitlines()
    assert lines[0] == "the catalogue is wrong"
    assert len(lines) == 4
    assert all(line.startswith("  AAA-00") for line in lines[1:])
    assert "harness/dynptr_harness/conformance/cases/" in raised.value.hint
