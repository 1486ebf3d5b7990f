"""VER-170 to VER-185: the memory that reads and writes accept, and the stack after a read."""

from __future__ import annotations

from errno import EACCES, EFAULT, EINVAL

from dynptr_harness.conformance.case import Splat
from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
MEMORY_SOURCE = "kernel/bpf/verifier.c, check_func_arg and mem_types: ARG_PTR_TO_MEM (v5.19, 13bbbfbea759)"
READ_SOURCE = "kernel/bpf/helpers.c, bpf_dynptr_read: ARG_PTR_TO_UNINIT_MEM (v5.19, 13bbbfbea759)"
NO_SCALAR = "invalid mem access 'scalar'"

REFERENCES_SOURCE = "kernel/bpf/verifier.c, validate_ref_obj: checks single references (v7.2, b7dd2b388657)"
MORE_THAN_ONE = "more than one arg with ref_obj_id"
WARNED = (
    Splat(
        "kernel/bpf/verifier.c",
        "v6.16 reports a bug of the verifier; v6.17 rejects the program without a warning (65fdafd6765f)",
        before=(6, 17),
        since=(6, 16),
    ),
)


def _refused_for_references(name: str) -> tuple[Older, ...]:
    """Return the answers before v7.2 to a program with two referenced arguments."""
    return (
        Older(
            (7, 2),
            "before v7.2 the verifier rejects every second referenced argument (b7dd2b388657)",
            (refused(name, EACCES, MORE_THAN_ONE),),
            defect=True,
        ),
        Older(
            (6, 17),
            "before v6.17 the verifier reports an internal error for a second reference (65fdafd6765f)",
            (refused(name, EFAULT, MORE_THAN_ONE),),
            defect=True,
        ),
    )


MAP_MEMORY = "before v6.2 a map key or value cannot be memory of a ring (9ef40974a82a, d1673304097c)"
UNINITIALISED_STACK = (
    "before v6.3 helpers cannot read unwritten stack (6715df8d5d24), and before v6.8 not below the deepest "
    "written slot (6b4a64bafd10)"
)
NOT_READ = "invalid indirect read from stack"

CASES = (
    row(
        "VER-170",
        "the verifier accepts two pointers into one reservation as arguments of one helper",
        "memory",
        (accepted("ver_170"), accepted("ver_170_key"), accepted("ver_170_value")),
        REFERENCES_SOURCE,
        (
            *_refused_for_references("ver_170"),
            Older(
                (6, 2),
                MAP_MEMORY,
                (
                    refused("ver_170", EACCES, "R2 type=mem expected=fp"),
                    refused("ver_170_key", EACCES, "R2 type=mem expected=fp"),
                    refused("ver_170_value", EACCES, "R3 type=mem expected=fp"),
                ),
            ),
        ),
        loaders=ELF,
        splats=WARNED,
    ),
    row(
        "VER-171",
        "the verifier accepts pointers into two reservations as arguments of one helper",
        "memory",
        (accepted("ver_171"),),
        REFERENCES_SOURCE,
        (
            *_refused_for_references("ver_171"),
            Older((6, 2), MAP_MEMORY, (refused("ver_171", EACCES, "R2 type=mem expected=fp"),)),
        ),
        loaders=ELF,
        splats=WARNED,
    ),
    row(
        "VER-172",
        "the verifier rejects a packet as the source of a write",
        "memory",
        (refused("ver_172", EACCES, "helper access to the packet is not allowed"), accepted("ver_172_slice")),
        "kernel/bpf/verifier.c, may_access_direct_pkt_data: bpf_dynptr_write lacks pkt_access",
        loaders=ELF,
    ),
    row(
        "VER-173",
        "the verifier rejects a read into a read-only map",
        "memory",
        (
            refused("ver_173_rodata", EACCES, "write into map forbidden"),
            refused("ver_173_map", EACCES, "write into map forbidden"),
            accepted("ver_173_accepted"),
        ),
        "kernel/bpf/verifier.c, check_map_access_type: BPF_F_RDONLY_PROG",
        loaders=ELF,
    ),
    row(
        "VER-174",
        "the verifier accepts a trusted pointer to a kernel structure as the source of a write",
        "memory",
        (accepted("ver_174"), accepted("ver_174_probed")),
        "kernel/bpf/verifier.c, mem_types: PTR_TO_BTF_ID | PTR_TRUSTED (v6.4, 3e30be4288b3)",
        (
            Older(
                (6, 4),
                "before v6.4 helpers cannot read through trusted pointers (3e30be4288b3)",
                (refused("ver_174", EACCES, "R3 type=", "ptr_ expected=fp"),),
            ),
        ),
        loaders=ELF,
        needs_types=("TRACING/tp_btf",),
    ),
    row(
        "VER-175",
        "the verifier rejects the context as the source of a write or the destination of a read",
        "memory",
        (
            refused("ver_175_write", EACCES, "R3 type=ctx expected=fp"),
            refused("ver_175_read", EACCES, "R1 type=ctx expected=fp"),
            accepted("ver_175_accepted"),
        ),
        MEMORY_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-176",
        "the verifier accepts map keys, constants, variables and plain records as the source of a write",
        "memory",
        (
            accepted("ver_176_map_key"),
            accepted("ver_176_rodata"),
            accepted("ver_176_variable"),
            accepted("ver_176_plain"),
        ),
        MEMORY_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-177",
        "the verifier accepts a slice as the source of a write to, and the destination of a read from, "
        "its own reservation",
        "memory",
        (accepted("ver_177_write"), accepted("ver_177_read")),
        MEMORY_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-178",
        "the verifier accepts unwritten stack as the source of a write and the destination of a read",
        "memory",
        (
            accepted("ver_178_write"),
            accepted("ver_178_read"),
            accepted("ver_178_write_accepted"),
            accepted("ver_178_read_accepted"),
        ),
        "kernel/bpf/verifier.c, check_stack_range_initialized: allow_uninit_stack (v6.3, 6715df8d5d24)",
        (
            Older(
                (6, 8),
                UNINITIALISED_STACK,
                (refused("ver_178_write", EACCES, NOT_READ), refused("ver_178_read", EACCES, NOT_READ)),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-179",
        "the verifier rejects a read or a write whose length is unbounded or exceeds the memory",
        "memory",
        (
            refused("ver_179_write", EACCES, "R4 unbounded memory access"),
            refused("ver_179_read", EACCES, "R2 unbounded memory access"),
            refused("ver_179_beyond", EINVAL, "stack R3 off="),
            accepted("ver_179_accepted"),
        ),
        "kernel/bpf/verifier.c, check_mem_size_reg (v5.19, 13bbbfbea759)",
        loaders=ELF,
    ),
    row(
        "VER-180",
        "the verifier does not rely on the old value of stack memory that a read may overwrite",
        "memory",
        (
            refused("ver_180", EACCES, NO_SCALAR),
            refused("ver_180_part", EACCES, NO_SCALAR),
            refused("ver_180_variable", EACCES, NO_SCALAR),
            accepted("ver_180_accepted"),
        ),
        READ_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-181",
        "the verifier rejects the use of a pointer on the stack after a read into any part of it",
        "memory",
        (
            refused("ver_181", EACCES, NO_SCALAR),
            refused("ver_181_part", EACCES, NO_SCALAR),
            accepted("ver_181_accepted"),
        ),
        READ_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-182",
        "the verifier rejects an access past the end of a slice that is shorter on one of two joining paths",
        "memory",
        (
            refused("ver_182_short_first", EACCES, "mem_size=8 off=12"),
            refused("ver_182_long_first", EACCES, "mem_size=8 off=12"),
            accepted("ver_182_accepted"),
        ),
        "kernel/bpf/verifier.c, ARG_CONST_ALLOC_SIZE_OR_ZERO: mark_chain_precision (v6.0, 2fc31465c537)",
        loaders=ELF,
    ),
    row(
        "VER-183",
        "the verifier rejects a read of variable length into a read-only map",
        "memory",
        (refused("ver_183", EACCES, "write into map forbidden"), accepted("ver_183_accepted")),
        "kernel/bpf/verifier.c, check_mem_size_reg: MEM_WRITE (v6.12, 8ea607330a39)",
        (
            Older(
                (6, 12),
                "before v6.12 the verifier treats a write of variable length as a read (8ea607330a39, "
                "CVE-2024-50164)",
                (accepted("ver_183"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-184",
        "the verifier rejects a global function that adds an offset to the pointer to its caller's dynptr",
        "memory",
        (
            refused("ver_184", EACCES, "dereference of modified dynptr_ptr"),
            accepted("ver_184_accepted"),
        ),
        "kernel/bpf/verifier.c, process_dynptr_func: check_func_arg_reg_off (v6.11, ec2b9a5e11e5)",
        (
            Older(
                (6, 11),
                "before v6.11 the verifier does not check the offset (ec2b9a5e11e5, CVE-2024-43910)",
                (accepted("ver_184"),),
                defect=True,
                since=(6, 8),
            ),
            Older(
                (6, 8),
                "before v6.8 a global function cannot take a dynptr (a64bfe618665)",
                (
                    refused("ver_184", EACCES, "pointer arithmetic on mem_or_null prohibited"),
                    refused("ver_184_accepted", EACCES, "expected=fp, dynptr_ptr"),
                ),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-185",
        "the verifier does not rely on the old value of stack memory that bpf_snprintf overwrites",
        "memory",
        (refused("ver_185", EACCES, NO_SCALAR), accepted("ver_185_accepted")),
        "kernel/bpf/helpers.c, bpf_snprintf_proto: MEM_WRITE (v7.0, 802eef5afb18)",
        (
            Older(
                (7, 0),
                "before v7.0 the prototype lacks the flag for memory that the helper writes (802eef5afb18, "
                "CVE-2026-45903)",
                (accepted("ver_185"),),
                defect=True,
                since=(6, 14),
            ),
        ),
        loaders=ELF,
    ),
)
