"""AVL: the program types that can use the helper. The number of a row is the kernel's number of the type."""

from __future__ import annotations

from dynptr_harness.conformance.case import Case
from dynptr_harness.conformance.experiments.base import Phases
from dynptr_harness.conformance.prog_types import PROG_TYPES, ProgType

_OFFERED = (
    "kernel/bpf/helpers.c, bpf_base_func_proto: for all types that fall back on it (v5.19, commit "
    "bc34dee65a65)"
)
_NOT_OFFERED = (
    "drivers/media/rc/bpf-lirc.c, lirc_mode2_func_proto: a separate list without bpf_base_func_proto"
)


def _row(prog_type: ProgType) -> Case:
    listed = "lists" if prog_type.is_listed else "does not list"
    if prog_type.offers_helper:
        title = f"{prog_type.name} programs can use the helper"
        source = _OFFERED
    else:
        title = f"{prog_type.name} programs cannot use the helper"
        source = _NOT_OFFERED
    return Case(
        f"AVL-{prog_type.number:03}",
        f"{title}; its documentation {listed} the type",
        Phases("attached"),
        source,
        types=(prog_type.name,),
    )


CASES = (
    *(_row(each) for each in sorted(PROG_TYPES, key=lambda each: each.number) if not each.is_variant),
    Case(
        "AVL-045",
        "a STRUCT_OPS program for bpf_dummy_ops cannot use the helper; each structure has its own set of "
        "helpers",
        Phases("attached"),
        "net/bpf/bpf_dummy_struct_ops.c: it has no get_func_proto, so its programs do not get this helper",
        types=("STRUCT_OPS/bpf_dummy_ops",),
    ),
)
