"""Selectors become cells, or a helpful message."""

from __future__ import annotations

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.plan import choose, make
from dynptr_harness.core.errors import WrongUsage

from tests.unit.samples import sample_case, sample_type

TYPES = [
    sample_type(name)
    for name in ("CGROUP_SOCK", "CGROUP_SOCK_ADDR", "KPROBE", "LSM", "RAW_TRACEPOINT", "SK_MSG", "SYSCALL")
]
ROWS = [
    sample_case(case_id)
    for case_id in ("ATT-001", "ATT-002", "RSV-001", "RSV-010", "RSV-011", "CMT-001", "CMT-002", "VER-001")
]
NOT_TESTED = {"RSV-024": "no way to see it", "CON-001": "of no kernel"}
ONLY_LSM = sample_case("ZZZ-001", types=("LSM",))
BY_BOTH = sample_case("YYY-001", loaders=("bcc", "libbpf"))


def types_of(*selectors: str) -> list[str]:
    return list(dict.fromkeys(cell.prog_type.name for cell in make(TYPES, ROWS, selectors).cells))


def cases_of(*selectors: str) -> list[str]:
    return list(dict.fromkeys(cell.case.id for cell in make(TYPES, ROWS, (), selectors).cells))


def test_without_selectors_every_type_is_asked_every_case() -> None:
    plan = make(TYPES, ROWS)
    assert len(plan.cells) == len(TYPES) * len(ROWS)
    assert plan.inapplicable == 0


def test_every_case_of_the_catalogue_is_asked_once_by_each_of_its_loaders() -> None:
    plan = make(PROG_TYPES, CASES)
    asked = {(cell.prog_type.name, cell.case.id, cell.loader) for cell in plan.cells}
    assert len(asked) == len(plan.cells)
    assert asked == {
        (prog_type.name, case.id, loader)
        for prog_type in PROG_TYPES
        for case in CASES
        if case.applies(prog_type)
        for loader in case.loaders_for(prog_type)
    }


def test_a_case_for_two_loaders_is_a_cell_for_each_and_one_loader_comes_after_the_other() -> None:
    plan = make(TYPES, [ROWS[0], BY_BOTH, ROWS[1]], ["SYSCALL", "LSM"])
    assert [(cell.prog_type.name, cell.case.id, cell.loader) for cell in plan.cells] == [
        ("LSM", "ATT-001", "bcc"),
        ("LSM", "YYY-001", "bcc"),
        ("LSM", "ATT-002", "bcc"),
        ("SYSCALL", "ATT-001", "bcc"),
        ("SYSCALL", "YYY-001", "bcc"),
        ("SYSCALL", "ATT-002", "bcc"),
        ("SYSCALL", "YYY-001", "libbpf"),
    ]
    assert plan.cells[-1].request["loader"] == "libbpf"


@pytest.mark.parametrize(
    ("selectors", "chosen"),
    [
        (["LSM"], ["LSM"]),
        (["lsm"], ["LSM"]),
        ([" Lsm "], ["LSM"]),
        (["BPF_PROG_TYPE_LSM"], ["LSM"]),
        (["bpf_prog_type_sk_msg"], ["SK_MSG"]),
        (["cgroup_*"], ["CGROUP_SOCK", "CGROUP_SOCK_ADDR"]),
        (["BPF_PROG_TYPE_CGROUP_*"], ["CGROUP_SOCK", "CGROUP_SOCK_ADDR"]),
        (["?PROBE"], ["KPROBE"]),
        (["[ks]*"], ["KPROBE", "SK_MSG", "SYSCALL"]),
        (["SYSCALL", "KPROBE", "k*"], ["KPROBE", "SYSCALL"]),
        (["RAW_TRACEPOINT"], ["RAW_TRACEPOINT"]),
    ],
)
def test_types_are_chosen_by_name_or_glob_in_the_order_of_the_catalogue(
    selectors: list[str], chosen: list[str]
) -> None:
    assert types_of(*selectors) == chosen


@pytest.mark.parametrize(
    ("selectors", "chosen"),
    [
        (["rsv-011"], ["RSV-011"]),
        (["RSV-01*"], ["RSV-010", "RSV-011"]),
        (["cmt-00?", "ATT-002"], ["ATT-002", "CMT-001", "CMT-002"]),
    ],
)
def test_cases_are_chosen_by_id_or_glob(selectors: list[str], chosen: list[str]) -> None:
    assert cases_of(*selectors) == chosen


@pytest.mark.parametrize(
    ("types", "cases", "fact", "hint"),
    [
        (["KPROB"], [], "no program type 'KPROB'", "did you mean KPROBE"),
        (["kprobes"], [], "no program type 'kprobes'", "did you mean KPROBE"),
        (["BPF_PROG_TYPE_RAW_TRACEPIONT"], [], "'BPF_PROG_TYPE_RAW_TRACEPIONT'", "RAW_TRACEPOINT"),
        (["cgroup-sock"], [], "'cgroup-sock'", "CGROUP_SOCK"),
        (["sock"], [], "'sock'", "CGROUP_SOCK"),
        (["LSM", "nothing"], [], "'nothing'", "'dynptr-harness types' lists them all"),
        (["XDP*"], [], "'XDP*'", "'dynptr-harness types' lists them all"),
        ([""], [], "no program type ''", "'dynptr-harness types' lists them all"),
        ([], ["RSV-01"], "no case 'RSV-01'", "did you mean RSV-010 or RSV-011?"),
        ([], ["RVS-011"], "no case 'RVS-011'", "RSV-011"),
        ([], ["VRE-001"], "no case 'VRE-001'", "VER-001"),
        ([], ["ABC-*"], "no case 'ABC-*'", "'dynptr-harness cases' lists them all"),
    ],
)
def test_a_selector_that_fits_nothing_names_the_near_ones(
    types: list[str], cases: list[str], fact: str, hint: str
) -> None:
    with pytest.raises(WrongUsage) as raised:
        make(TYPES, ROWS, types, cases)
    assert fact in raised.value.fact
    assert hint in raised.value.hint


def test_a_case_that_does_not_apply_is_left_out_and_counted() -> None:
    plan = make(TYPES, [*ROWS, ONLY_LSM], ["LSM", "KPROBE"], ["ATT-001", "ZZZ-001"])
    assert [(cell.prog_type.name, cell.case.id) for cell in plan.cells] == [
        ("KPROBE", "ATT-001"),
        ("LSM", "ATT-001"),
        ("LSM", "ZZZ-001"),
    ]
    assert plan.inapplicable == 1


def test_a_plan_without_cells_is_wrong_usage() -> None:
    with pytest.raises(WrongUsage, match="none of the chosen cases applies to KPROBE or SYSCALL"):
        make(TYPES, [*ROWS, ONLY_LSM], ["KPROBE", "SYSCALL"], ["ZZZ-001"])


@pytest.mark.parametrize(
    ("ids", "groups", "cases", "not_tested"),
    [
        ([], [], [row.id for row in ROWS], ["RSV-024", "CON-001"]),
        (["rsv-0[12]*"], [], ["RSV-010", "RSV-011"], ["RSV-024"]),
        ([], ["con"], [], ["CON-001"]),
        (["*-001"], ["RSV", "C*"], ["RSV-001", "CMT-001"], ["CON-001"]),
    ],
)
def test_rows_are_chosen_by_id_and_group_with_those_that_are_no_test(
    ids: list[str], groups: list[str], cases: list[str], not_tested: list[str]
) -> None:
    chosen, others = choose(ROWS, NOT_TESTED, ids, groups)
    assert [case.id for case in chosen] == cases
    assert list(others) == not_tested


@pytest.mark.parametrize(
    ("ids", "groups", "fact"),
    [
        (["RSV-0111"], [], "there is no case 'RSV-0111'"),
        ([], ["RSW"], "there is no group 'RSW'"),
        (["RSV-011"], ["CMT"], "none of the chosen cases is in group CMT"),
    ],
)
def test_a_choice_of_nothing_is_wrong_usage(ids: list[str], groups: list[str], fact: str) -> None:
    with pytest.raises(WrongUsage) as raised:
        choose(ROWS, NOT_TESTED, ids, groups)
    assert raised.value.fact == fact
