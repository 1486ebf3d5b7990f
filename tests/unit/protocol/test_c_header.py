"""The structures and numbers of the protocol match the C headers."""

from __future__ import annotations

import ctypes as ct
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.core import paths
from dynptr_harness.guest_image.bpf_objects import FLAGS
from dynptr_harness.protocol import structs, uapi

if TYPE_CHECKING:
    from enum import IntEnum

INCLUDE = paths.bpf_src() / "include"
HEADER = (INCLUDE / "dynptr_harness.h").read_text()
KERNEL_HEADER = Path("/usr/include/linux/bpf.h")
KERNEL_HEADERS = [flag for flag in FLAGS if flag.startswith("-idirafter")]

STRUCTS = {
    name.removesuffix("Struct").lower(): each
    for name, each in vars(structs).items()
    if isinstance(each, type) and issubclass(each, ct.Structure)
}
NOT_SHARED = {"record", "ring"}  # the examples' record, and a map definition
LIMITS = ("MAX_SLOTS", "MAX_ACCESSES", "MAX_PAYLOAD", "MAX_FILL", "UNSET")
ENUMS = {
    "release": {name.upper(): value for value, name in enumerate(structs.RELEASES)},
    "order": {f"ORDER_{name}": value for value, name in enumerate(structs.ORDERS)},
    "pause": {name.upper().replace(" ", "_"): 1 << bit for bit, name in enumerate(structs.PAUSES)},
    "op": {name.upper().replace("-", "_"): value for value, name in enumerate(structs.OPS, 1)},
}
KERNEL_ENUMS: dict[str, tuple[str, type[IntEnum]]] = {
    "bpf_cmd": ("BPF_", uapi.BpfCommand),
    "bpf_map_type": ("BPF_MAP_TYPE_", uapi.MapType),
    "bpf_prog_type": ("BPF_PROG_TYPE_", uapi.BpfProgType),
    "bpf_attach_type": ("BPF_", uapi.AttachType),
}
KERNEL_FLAGS = ("BPF_F_SLEEPABLE", "BPF_F_MMAPABLE", "BPF_F_RB_OVERWRITE")
HELPER = "BPF_FUNC_ringbuf_reserve_dynptr"

PROLOGUE = (
    "#include <stddef.h>",
    "#include <stdio.h>",
    '#include "elf_object.h"',
    '#include "dynptr_harness.h"',
    "#define sizeof_field(TYPE, FIELD) sizeof(((TYPE *)0)->FIELD)",
)


def code_of(text: str) -> str:
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def body_of(kind: str, name: str, text: str) -> str:
    found = re.search(rf"^{kind} {name} \{{(.*?)\}};", code_of(text), re.MULTILINE | re.DOTALL)
    assert found, f"the header has no {kind} {name}"
    return found[1]


def fields_of(name: str) -> list[str]:
    """Return the names of the fields of a C structure, in order."""
    return re.findall(r"(\w+)(?:\[\w+\])*;", body_of("struct", name, HEADER))


def constants_of(name: str, text: str) -> list[str]:
    """Return the names of the constants of a C enum, in order."""
    return re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", body_of("enum", name, text).strip())


def values_in_c(expressions: list[str], folder: Path) -> dict[str, int]:
    """Compile and run a C program that prints the value of each expression."""
    lines = [f'printf("%s %lld\\n", "{each}", (long long)({each}));' for each in expressions]
    source = folder / "values.c"
    source.write_text("\n".join([*PROLOGUE, "int main(void)", "{", *lines, "}", ""]))
    program = folder / "values"
    subprocess.run(["clang", *KERNEL_HEADERS, f"-I{INCLUDE}", "-o", program, source], check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, _, value in (line.rpartition(" ") for line in printed.splitlines())}


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    kernel = KERNEL_HEADER.read_text()
    names = [constant for name in KERNEL_ENUMS for constant in constants_of(name, kernel)]
    names += [flag for flag in KERNEL_FLAGS if re.search(rf"\b{flag}\b", code_of(kernel))]
    expressions = [
        *LIMITS,
        HELPER,
        *(constant for name in ENUMS for constant in constants_of(name, HEADER)),
        *(f"sizeof(struct {name})" for name in STRUCTS),
        *(
            f"{measure}(struct {name}, {field})"
            for name in STRUCTS
            for field in fields_of(name)
            for measure in ("offsetof", "sizeof_field")
        ),
        *names,
    ]
    return values_in_c(expressions, tmp_path_factory.mktemp("values"))


def test_every_shared_structure_has_a_python_twin() -> None:
    assert set(re.findall(r"^struct (\w+) \{", HEADER, re.MULTILINE)) - NOT_SHARED == set(STRUCTS)


@pytest.mark.parametrize("name", STRUCTS)
def test_a_structure_has_the_fields_of_its_c_twin(name: str, in_c: dict[str, int]) -> None:
    structure = STRUCTS[name]
    fields = {field: getattr(structure, field) for field, *_ in structure._fields_}
    assert list(fields) == fields_of(name)
    assert ct.sizeof(structure) == in_c[f"sizeof(struct {name})"]
    for field, descriptor in fields.items():
        assert descriptor.offset == in_c[f"offsetof(struct {name}, {field})"], field
        assert descriptor.size == in_c[f"sizeof_field(struct {name}, {field})"], field


@pytest.mark.parametrize("name", ENUMS)
def test_a_name_has_the_value_of_its_c_constant(name: str, in_c: dict[str, int]) -> None:
    assert ENUMS[name] == {constant: in_c[constant] for constant in constants_of(name, HEADER)}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_the_same_in_c(name: str, in_c: dict[str, int]) -> None:
    assert getattr(structs, name) == in_c[name]


@pytest.mark.parametrize("name", KERNEL_ENUMS)
def test_numbers_match_the_installed_kernel_headers(name: str, in_c: dict[str, int]) -> None:
    prefix, enum = KERNEL_ENUMS[name]
    known = {each.name: in_c[prefix + each.name] for each in enum if prefix + each.name in in_c}
    assert {each.name: each.value for each in enum if each.name in known} == known
    assert len(known) > len(enum) / 2


def test_flags_and_the_helper_match_the_installed_kernel_headers(in_c: dict[str, int]) -> None:
    assert in_c[HELPER] == uapi.HELPER_RINGBUF_RESERVE_DYNPTR
    for flag in KERNEL_FLAGS:
        assert in_c.get(flag, getattr(uapi, flag)) == getattr(uapi, flag)
