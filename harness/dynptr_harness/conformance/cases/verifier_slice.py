"""VER-040 to VER-057, DYN-022: slices of bpf_dynptr_data and the bounds of their use."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import ALL_TYPES, Older, accepted, refused, row

NULL_SOURCE = "kernel/bpf/verifier.c: bpf_dynptr_data returns memory or NULL (v5.19, 34d4ef5775f7)"
BOUNDS_SOURCE = "kernel/bpf/verifier.c, check_mem_region_access: a slice has the requested length"
LENGTH_SOURCE = "kernel/bpf/verifier.c: the length of a slice must be a constant (v5.19, 34d4ef5775f7)"
ARGUMENT_SOURCE = "kernel/bpf/verifier.c, check_reg_type: the pointer types of an argument"

OUTSIDE = "outside of the allowed memory range"

CASES = (
    row(
        "VER-040",
        "the verifier rejects the use of a slice that was not tested for NULL",
        "slice",
        (refused("ver_040", EACCES, "invalid mem access 'mem_or_null'"), accepted("ver_040_accepted")),
        NULL_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-041",
        "the verifier rejects the use of a slice if only another slice was tested for NULL",
        "slice",
        (refused("ver_041", EACCES, "invalid mem access 'mem_or_null'"), accepted("ver_041_accepted")),
        NULL_SOURCE,
    ),
    row(
        "VER-042",
        "the verifier rejects an access to the byte after a slice",
        "slice",
        (
            refused("ver_042", EACCES, "mem_size=8 off=8 size=1", f"min value is {OUTSIDE}"),
            accepted("ver_042_accepted"),
        ),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-043",
        "the verifier rejects an access before the start of a slice or across its end",
        "slice",
        (
            refused("ver_043_before", EACCES, "off=-1 size=1"),
            accepted("ver_043_before_accepted"),
            refused("ver_043_across", EACCES, "off=6 size=4"),
            accepted("ver_043_across_accepted"),
        ),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-044",
        "the verifier rejects a helper call that uses more bytes than the slice has",
        "slice",
        (refused("ver_044", EACCES, "off=0 size=9"), accepted("ver_044_accepted")),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-045",
        "the verifier rejects a variable index that may exceed the slice",
        "slice",
        (
            refused("ver_045_loose", EACCES, f"max value is {OUTSIDE}"),
            refused(
                "ver_045_unbounded",
                EINVAL,
                "math between mem pointer and register with unbounded min value is not allowed",
            ),
            accepted("ver_045_accepted"),
        ),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-046",
        "the verifier accepts a slice of length 0 and rejects an access to it",
        "slice",
        (refused("ver_046", EACCES, "mem_size=0 off=0 size=1"), accepted("ver_046_accepted")),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-047",
        "the verifier rejects a slice with a variable length",
        "slice",
        (refused("ver_047", EINVAL, "R3 is not a const"), accepted("ver_047_accepted")),
        LENGTH_SOURCE,
        (
            Older(
                (7, 3),
                ("the log message changed in v7.3"),
                (refused("ver_047", EACCES, "R3 is not a known constant'"),),
            ),
        ),
    ),
    row(
        "VER-048",
        "the verifier accepts a slice that is longer than the reservation; it is NULL at run time",
        "slice",
        (accepted("ver_048"), accepted("ver_047_accepted")),
        LENGTH_SOURCE,
    ),
    row(
        "VER-049",
        "the verifier rejects a slice whose length needs more than 32 bits",
        "slice",
        (refused("ver_049", EINVAL, "R3 allocation size exceeds u32 max"), accepted("ver_049_accepted")),
        LENGTH_SOURCE,
        (Older((7, 3), "before v7.3 the verifier checks only the low 32 bits", (accepted("ver_049"),)),),
    ),
    row(
        "VER-050",
        "the verifier accepts a slice with a variable offset",
        "slice",
        (accepted("ver_050"), accepted("ver_047_accepted")),
        LENGTH_SOURCE,
    ),
    row(
        "VER-051",
        "the verifier accepts an unaligned write to a slice if the CPU supports it",
        "slice",
        (accepted("ver_051"), accepted("ver_043_across_accepted")),
        "kernel/bpf/verifier.c: CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS, as on x86-64",
    ),
    row(
        "VER-052",
        "the verifier accepts an atomic operation on a slice",
        "slice",
        (accepted("ver_052"), accepted("ver_043_across_accepted")),
        "kernel/bpf/verifier.c, check_atomic",
    ),
    row(
        "VER-053",
        "the verifier accepts a privileged program that stores a pointer in a slice",
        "slice",
        (accepted("ver_053"), accepted("ver_043_across_accepted")),
        "kernel/bpf/verifier.c, check_mem_access: only unprivileged programs must not leak pointers",
    ),
    row(
        "VER-054",
        "the verifier rejects the release of a slice as a record of bpf_ringbuf_reserve",
        "slice",
        (refused("ver_054", EACCES, "type=mem expected=ringbuf_mem"), accepted("ver_054_accepted")),
        ARGUMENT_SOURCE,
        (
            Older(
                (6, 12),
                "before v6.2 (commit 894f2a8b1673) the pointer type has another name",
                (refused("ver_054", EACCES, "type=mem expected=alloc_mem"),),
            ),
        ),
    ),
    row(
        "VER-055",
        "the verifier rejects the release of a record of bpf_ringbuf_reserve as a dynptr",
        "slice",
        (refused("ver_055", EACCES, "R1 type=ringbuf_mem expected=fp"), accepted("ver_055_accepted")),
        ARGUMENT_SOURCE,
        (
            Older(
                (6, 12),
                "before v6.2 (commit 894f2a8b1673) the pointer type has another name",
                (refused("ver_055", EACCES, "R1 type=alloc_mem expected=fp, dynptr_ptr"),),
            ),
        ),
    ),
    row(
        "VER-056",
        "the verifier rejects a slice as the memory of another dynptr",
        "slice",
        (
            refused("ver_056", EACCES, "Unsupported reg type mem for bpf_dynptr_from_mem data"),
            accepted("ver_056_accepted"),
        ),
        "kernel/bpf/verifier.c: bpf_dynptr_from_mem takes map values only",
    ),
    row(
        "VER-057",
        "the verifier accepts a slice as the argument of a global function",
        "subprograms",
        (accepted("ver_057"), accepted("ver_130_holding")),
        "kernel/bpf/verifier.c: memory arguments of global functions",
        loaders=("libbpf",),
    ),
    row(
        "DYN-022",
        "the verifier accepts a slice as the memory that another helper reads or writes, up to its length",
        "slice",
        (
            accepted("dyn_022_read_into"),
            accepted("dyn_022_write_from"),
            refused("dyn_022_read_beyond", EACCES, "off=0 size=9"),
            accepted("ver_044_accepted"),
        ),
        BOUNDS_SOURCE,
    ),
)
