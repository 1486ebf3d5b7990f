"""VER-170 to VER-185: what a read or a write may take as memory, and what a read leaves on the stack."""

from __future__ import annotations

from errno import EACCES, EFAULT, EINVAL

from dynptr_harness.conformance.case import Splat
from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
MEMORY_SOURCE = "kernel/bpf/verifier.c, check_func_arg and mem_types: ARG_PTR_TO_MEM (v5.19, 13bbbfbea759)"
READ_SOURCE = "kernel/bpf/helpers.c, bpf_dynptr_read: ARG_PTR_TO_UNINIT_MEM (v5.19, 13bbbfbea759)"
NO_SCALAR = "invalid mem access 'scalar'"

# Two arguments with one reference each.
REFERENCES_SOURCE = (
    "kernel/bpf/verifier.c, validate_ref_obj: one reference only where one is needed (v7.2, b7dd2b388657)"
)
MORE_THAN_ONE = "more than one arg with ref_obj_id"
WARNED = (
    Splat(
        "kernel/bpf/verifier.c",
        "v6.16 warns of a defect of the verifier; v6.17 refuses the program without a warning (65fdafd6765f)",
        before=(6, 17),
        since=(6, 16),
    ),
)


def _refused_for_references(name: str) -> tuple[Older, ...]:
    """Return what kernels before v7.2 answer to a program with two referenced arguments."""
    return (
        Older(
            (7, 2),
            "the verifier refused a second referenced argument without need (b7dd2b388657)",
            (refused(name, EACCES, MORE_THAN_ONE),),
            defect=True,
        ),
        Older(
            (6, 17),
            "the verifier took a second referenced argument for an internal error (65fdafd6765f)",
            (refused(name, EFAULT, MORE_THAN_ONE),),
            defect=True,
        ),
    )


MAP_MEMORY = (
    "before v6.2 memory of a ring could be neither map key nor map value (9ef40974a82a, d1673304097c)"
)
UNINITIALISED_STACK = (
    "before v6.3 helpers could not read stack that was never written (6715df8d5d24), before v6.8 not below "
    "the deepest slot that was (6b4a64bafd10)"
)
NOT_READ = "invalid indirect read from stack"

CASES = (
    row(
        "VER-170",
        "key+value",
        "two arguments of one helper may point into one reservation",
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
        "two rings",
        "two arguments of one helper may point into two reservations",
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
        "packet",
        "a packet cannot be the source of a write, but can be copied through a slice",
        "memory",
        (refused("ver_172", EACCES, "helper access to the packet is not allowed"), accepted("ver_172_slice")),
        "kernel/bpf/verifier.c, may_access_direct_pkt_data: bpf_dynptr_write lacks pkt_access",
        loaders=ELF,
    ),
    row(
        "VER-173",
        "read only",
        "a read-only map cannot be the destination of a read",
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
        "task",
        "a trusted pointer to a kernel structure can be the source of a write",
        "memory",
        (accepted("ver_174"), accepted("ver_174_probed")),
        "kernel/bpf/verifier.c, mem_types: PTR_TO_BTF_ID | PTR_TRUSTED (v6.4, 3e30be4288b3)",
        (
            Older(
                (6, 4),
                "before v6.4 helpers could not read through trusted pointers (3e30be4288b3)",
                (refused("ver_174", EACCES, "R3 type=", "ptr_ expected=fp"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-175",
        "context",
        "the context can be neither the source of a write nor the destination of a read",
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
        "sources",
        "map keys and values, constants, variables and plain records can be the source of a write",
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
        "own slice",
        "a slice can be the source of a write to its own reservation, and the destination of a read from it",
        "memory",
        (accepted("ver_177_write"), accepted("ver_177_read")),
        MEMORY_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-178",
        "unwritten",
        "stack that was never written can be the source of a write and the destination of a read",
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
        "length",
        "the length of a read or a write must have a bound, and stay inside the memory",
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
        "stale",
        "the verifier forgets the value of stack that a read may overwrite, in whole or in part",
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
        "stale ptr",
        "a pointer on the stack is no pointer after a read overwrote it, in whole or in part",
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
        "by path",
        "a slice has the length of the path that made it, also where paths meet",
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
        "ro part",
        "a read-only map cannot be the destination of a read of variable length",
        "memory",
        (refused("ver_183", EACCES, "write into map forbidden"), accepted("ver_183_accepted")),
        "kernel/bpf/verifier.c, check_mem_size_reg: MEM_WRITE (v6.12, 8ea607330a39)",
        (
            Older(
                (6, 12),
                "the verifier took a write of variable length for a read (8ea607330a39, CVE-2024-50164)",
                (accepted("ver_183"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-184",
        "moved",
        "a global function cannot use a pointer that it moved within the dynptr of its caller",
        "memory",
        (
            refused("ver_184", EACCES, "dereference of modified dynptr_ptr"),
            accepted("ver_184_accepted"),
        ),
        "kernel/bpf/verifier.c, process_dynptr_func: check_func_arg_reg_off (v6.11, ec2b9a5e11e5)",
        (
            Older(
                (6, 11),
                "the verifier overlooked the offset (ec2b9a5e11e5, CVE-2024-43910)",
                (accepted("ver_184"),),
                defect=True,
                since=(6, 8),
            ),
            Older(
                (6, 8),
                "before v6.8 no global function could take a dynptr (a64bfe618665)",
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
        "printed",
        "the verifier forgets the value of stack that bpf_snprintf overwrites while a reservation is held",
        "memory",
        (refused("ver_185", EACCES, NO_SCALAR), accepted("ver_185_accepted")),
        "kernel/bpf/helpers.c, bpf_snprintf_proto: MEM_WRITE (v7.0, 802eef5afb18)",
        (
            Older(
                (7, 0),
                "the prototype did not say that the helper writes (802eef5afb18, CVE-2026-45903)",
                (accepted("ver_185"),),
                defect=True,
                since=(6, 14),
            ),
        ),
        loaders=ELF,
    ),
)
