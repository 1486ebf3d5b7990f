"""The agent has all program types of the host, and each has a C program."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.conformance.cases.availability import CASES as AVAILABILITY
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.prog_types import LISTED
from dynptr_harness.core.paths import bpf_src

from tests.unit.kernel_model import TYPE_NUMBERS
from tests.unit.samples import sample_type

if TYPE_CHECKING:
    from collections.abc import Iterator

GUEST = Path(__file__).parents[3] / "harness/dynptr_harness/guest/prog_types"
BASE = [each for each in PROG_TYPES if not each.is_variant]
VARIANTS = [each for each in PROG_TYPES if each.is_variant]


def _constants(path: Path) -> Iterator[object]:
    return (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))


def test_every_type_of_the_kernel_has_one_row_with_its_number() -> None:
    assert {each.name: each.number for each in BASE} == TYPE_NUMBERS
    assert len(BASE) == len(TYPE_NUMBERS)


def test_every_other_way_to_attach_is_one_of_a_type_that_there_is() -> None:
    for each in VARIANTS:
        assert each.number == TYPE_NUMBERS[each.name.partition("/")[0]]
    assert len({each.name for each in PROG_TYPES}) == len(PROG_TYPES)


@pytest.mark.parametrize("prog_type", PROG_TYPES, ids=lambda each: each.name)
def test_the_agent_has_every_type(prog_type: object) -> None:
    names = {constant for path in GUEST.glob("*.py") for constant in _constants(path)}
    name = getattr(prog_type, "name", "")
    hook = name.partition("/")[2]
    # tables have the hooks for sockets, by name
    assert name in names or (name.startswith("CGROUP_SOCK") and hook in names)


@pytest.mark.parametrize("prog_type", PROG_TYPES, ids=lambda each: each.name)
def test_every_type_has_an_example_in_a_file_of_its_name(prog_type: object) -> None:
    name, example = getattr(prog_type, "name", ""), getattr(prog_type, "example", "")
    text = (bpf_src() / "prog_types" / f"{name.partition('/')[0].lower()}.c").read_text()
    assert f"int {example}(" in text


def test_the_documentation_lists_eleven_types_that_there_are() -> None:
    assert len(LISTED) == 11
    assert set(TYPE_NUMBERS) > LISTED
    assert sample_type("KPROBE/kretprobe").is_listed
    assert not sample_type("XDP").is_listed


def test_each_type_has_the_row_of_its_number_and_says_whether_it_is_listed() -> None:
    for case in (each for each in AVAILABILITY if "/" not in each.types[0]):
        (name,) = case.types
        assert case.id == f"AVL-{TYPE_NUMBERS[name]:03}"
        assert ("does not list" in case.title) == (name not in LISTED)


def test_all_run_time_cases_are_asked_in_every_type_that_offers_the_helper() -> None:
    everywhere = [case for case in CASES if not case.types]
    for prog_type in BASE:
        assert all(case.applies(prog_type) for case in everywhere) == prog_type.offers_helper, prog_type.name


def test_other_ways_to_attach_are_asked_what_is_said_of_them_only() -> None:
    for prog_type in (each for each in VARIANTS if each.offers_helper):
        assert [case.id for case in CASES if case.applies(prog_type)] == ["ATT-001", "ATT-002", "ATT-003"]
