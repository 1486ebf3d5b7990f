"""The options that the harness needs: the fragment, and what a configuration costs."""

from __future__ import annotations

import pytest
from dynptr_harness.conformance.catalogue import CASES, PROG_TYPES
from dynptr_harness.conformance.kconfig import Lack, fragment, lacking
from dynptr_harness.conformance.plan import make
from dynptr_harness.protocol import kconfig
from dynptr_harness.protocol.kfuncs import KFUNCS

WHOLE = "\n".join(fragment())
HEADER = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 {} Kernel Configuration\n#\n"


def without(*options: str, text: str = WHOLE) -> str:
    """Return a configuration that does not set these options."""
    assert all(f"\n{option}=y\n" in f"{text}\n" for option in options)
    return "\n".join(line for line in text.splitlines() if line.partition("=")[0] not in options)


def by_option(text: str) -> dict[str, Lack]:
    return {each.option: each for each in lacking(text)}


def test_every_type_and_only_known_kfuncs_are_in_the_table() -> None:
    assert {each.name for each in PROG_TYPES if not each.is_variant} <= kconfig.TYPES.keys()
    assert kconfig.TYPES.keys() <= {each.name for each in PROG_TYPES}
    assert kconfig.OFTEN_LEFT_OUT.keys() <= kconfig.TYPES.keys()
    assert kconfig.KFUNCS.keys() <= KFUNCS.keys()


def test_the_fragment_lacks_nothing_and_sets_each_option_once() -> None:
    assert lacking(WHOLE) == []
    lines = [line for line in fragment() if line and not line.startswith("#")]
    assert len(lines) == len(set(lines)) > 80


def test_an_option_costs_the_cells_of_its_types_and_the_cases_that_load_them() -> None:
    (lack,) = lacking(without("CONFIG_BPF_LSM"))
    assert lack.prog_types == ("LSM", "LSM/cgroup", "LSM/sleepable")
    loading = tuple(case.id for case in CASES if "LSM" in case.needs_types)
    assert lack.cases == loading
    others = [cell for cell in make(PROG_TYPES, CASES).cells if cell.case.id in loading]
    assert all(cell.prog_type.name not in lack.prog_types for cell in others)
    assert lack.cells == len(make(PROG_TYPES, CASES, ["LSM", "LSM/*"]).cells) + len(others)


def test_an_option_of_a_kfunc_costs_the_cases_that_call_it() -> None:
    (lack,) = lacking(without("CONFIG_UNWINDER_ORC"))
    assert lack.prog_types == ()
    assert lack.cases == tuple(case.id for case in CASES if "bpf_throw" in case.kfuncs)


def test_an_option_can_cost_types_and_cases_of_other_types() -> None:
    lack = by_option(without("CONFIG_DEBUG_INFO_BTF"))["CONFIG_DEBUG_INFO_BTF"]
    assert "TRACING/fexit" in lack.prog_types
    assert "SYSCALL" not in lack.prog_types
    assert {case.id for case in CASES if case.kfuncs} <= set(lack.cases)


def test_a_way_to_attach_has_its_own_options() -> None:
    assert by_option(without("CONFIG_FPROBE"))["CONFIG_FPROBE"].prog_types == ("KPROBE/multi",)
    assert "KPROBE/uprobe" not in by_option(without("CONFIG_KPROBES"))["CONFIG_KPROBES"].prog_types
    assert "CGROUP_SOCK_ADDR/bind6" in by_option(without("CONFIG_IPV6"))["CONFIG_IPV6"].prog_types


def test_what_a_boot_needs_comes_first_and_what_is_only_useful_last() -> None:
    text = without("CONFIG_EROFS_FS", "CONFIG_IKCONFIG", "CONFIG_FPROBE", "CONFIG_BPF_SYSCALL")
    found = [(each.option, each.boots, bool(each.use)) for each in lacking(text)]
    assert found == [
        ("CONFIG_EROFS_FS", False, False),
        ("CONFIG_BPF_SYSCALL", True, False),
        ("CONFIG_FPROBE", True, False),
        ("CONFIG_IKCONFIG", True, True),
    ]


@pytest.mark.parametrize(("version", "lacks"), [("6.1.192", 0), ("6.4.0", 1), ("7.0.0", 1)])
def test_an_option_that_came_later_is_not_missed(version: str, lacks: int) -> None:
    text = HEADER.format(version) + without("CONFIG_NETFILTER_BPF_LINK")
    assert len(lacking(text)) == lacks


def test_a_module_is_as_good_as_built_in() -> None:
    assert lacking(WHOLE.replace("CONFIG_VETH=y", "CONFIG_VETH=m")) == []
    assert by_option(WHOLE.replace("CONFIG_VETH=y", "# CONFIG_VETH is not set")).keys() == {"CONFIG_VETH"}
