"""The symbols and maps that a program of an object needs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from dynptr_harness.commands.user_program import UserProgram
from dynptr_harness.guest.bpf.elf import STB_GLOBAL, STB_WEAK, ElfObject

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int one(void *) __ksym;
extern int two(void *) __ksym;
extern int three(void *) __ksym;
extern unsigned long CONFIG_NONE __kconfig;

struct ring { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); };
struct ring direct SEC(".maps");
struct ring inner SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} outer SEC(".maps") = { .values = { &inner } };

static __noinline int static_function(void *p) { return one(p); }
__noinline int global_function(void *p) { return two(p); }
static __noinline int inner_function(void *p) { return three(p); }
static __noinline int outer_function(void *p) { return inner_function(p) + 1; }
static long callback(__u32 i, void *p) { return three(p); }

SEC("xdp") int by_static(void *c) { return static_function(c); }
SEC("xdp") int by_global(void *c) { return global_function(c) + 1; }
SEC("xdp") int by_nested(void *c) { return outer_function(c); }
SEC("tc") int by_callback(void *c) { return bpf_loop(2, callback, 0, 0); }
SEC("xdp") int by_itself(void *c) { return one(c) + two(c); }
SEC("xdp") int by_option(void *c) { return CONFIG_NONE & 1; }
SEC("xdp") int by_map(void *c) { bpf_ringbuf_output(&direct, c, 1, 0); return 1; }
SEC("xdp") int by_nested_map(void *c) { __u32 k = 0; return !bpf_map_lookup_elem(&outer, &k); }
SEC("xdp") int by_nothing(void *c) { return 1; }
"""
SYMBOLS = {"one", "two", "three", "CONFIG_NONE"}
MAPS = {"direct", "inner", "outer"}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("elf") / "prog.bpf.c"
    path.write_text(SOURCE)
    return base64.b64decode(UserProgram.read(path).given["object"])


@pytest.mark.parametrize(
    ("function", "symbols", "maps"),
    [
        ("by_static", {"one"}, set()),
        ("by_global", {"two"}, set()),
        ("by_nested", {"three"}, set()),
        ("by_callback", {"three"}, set()),
        ("by_itself", {"one", "two"}, set()),
        ("by_option", {"CONFIG_NONE"}, set()),
        ("by_map", set(), {"direct"}),
        ("by_nested_map", set(), {"outer", "inner"}),
        ("by_nothing", set(), set()),
    ],
)
def test_only_the_symbols_and_maps_of_the_program_are_required(
    code: bytes, function: str, symbols: set[str], maps: set[str]
) -> None:
    changed = ElfObject(ElfObject(code).only_for(function))
    names = {each.name.replace("LINUX__", "CONFIG_"): each for each in changed._symbols}
    assert names["CONFIG_NONE"].name == ("CONFIG_NONE" if "CONFIG_NONE" in symbols else "LINUX__NONE")
    binding = {name: names[name].binding for name in SYMBOLS}
    assert binding == {name: STB_GLOBAL if name in symbols else STB_WEAK for name in SYMBOLS}
    assert ElfObject(code).unused_maps(function) == MAPS - maps


def test_a_call_is_resolved_to_its_symbol(code: bytes) -> None:
    calls = {ElfObject(code).symbol_at("by_itself", instruction) for instruction in range(8)}
    assert calls == {"one", "two", ""}
    assert ElfObject(code).symbol_at("unknown", 0) == ""
