"""VER-040 to VER-057, DYN-022: what bpf_dynptr_data gives, and how far it may be used."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import ALL_TYPES, Older, accepted, refused, row

NULL_SOURCE = "kernel/bpf/verifier.c: bpf_dynptr_data returns memory or NULL (v5.19, 34d4ef5775f7)"
BOUNDS_SOURCE = "kernel/bpf/verifier.c, check_mem_region_access: a slice has the length it was asked for"
LENGTH_SOURCE = "kernel/bpf/verifier.c: the length of a slice must be a constant (v5.19, 34d4ef5775f7)"
ARGUMENT_SOURCE = "kernel/bpf/verifier.c, check_reg_type: which pointers an argument takes"

OUTSIDE = "outside of the allowed memory range"

CASES = (
    row(
        "VER-040",
        "a slice must be tested for NULL",
        "slice",
        (refused("ver_040", EACCES, "invalid mem access 'mem_or_null'"), accepted("ver_040_accepted")),
        NULL_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-041",
        "of two slices each must be tested for NULL",
        "slice",
        (refused("ver_041", EACCES, "invalid mem access 'mem_or_null'"), accepted("ver_041_accepted")),
        NULL_SOURCE,
    ),
    row(
        "VER-042",
        "a slice cannot be used at its length",
        "slice",
        (
            refused("ver_042", EACCES, "mem_size=8 off=8 size=1", f"min value is {OUTSIDE}"),
            accepted("ver_042_accepted"),
        ),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-043",
        "a slice cannot be used before its beginning nor across its end",
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
        "a helper cannot be given more of a slice than there is",
        "slice",
        (refused("ver_044", EACCES, "off=0 size=9"), accepted("ver_044_accepted")),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-045",
        "a variable index must be known to stay inside the slice",
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
        "a slice of no length can be had and not be used",
        "slice",
        (refused("ver_046", EACCES, "mem_size=0 off=0 size=1"), accepted("ver_046_accepted")),
        BOUNDS_SOURCE,
    ),
    row(
        "VER-047",
        "the length of a slice must be a constant",
        "slice",
        (refused("ver_047", EINVAL, "R3 is not a const"), accepted("ver_047_accepted")),
        LENGTH_SOURCE,
        (
            Older(
                (7, 3), "v7.3 has other words", (refused("ver_047", EACCES, "R3 is not a known constant'"),)
            ),
        ),
    ),
    row(
        "VER-048",
        "a slice longer than the reservation is refused by the run, not by the verifier",
        "slice",
        (accepted("ver_048"), accepted("ver_047_accepted")),
        LENGTH_SOURCE,
    ),
    row(
        "VER-049",
        "a length of more than 32 bits is refused",
        "slice",
        (refused("ver_049", EINVAL, "R3 allocation size exceeds u32 max"), accepted("ver_049_accepted")),
        LENGTH_SOURCE,
        (Older((7, 3), "only the low 32 bits were looked at", (accepted("ver_049"),)),),
    ),
    row(
        "VER-050",
        "the offset of a slice need not be a constant",
        "slice",
        (accepted("ver_050"), accepted("ver_047_accepted")),
        LENGTH_SOURCE,
    ),
    row(
        "VER-051",
        "a slice may be written unaligned where the processor can do that",
        "slice",
        (accepted("ver_051"), accepted("ver_043_across_accepted")),
        "kernel/bpf/verifier.c: CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS, as on x86-64",
    ),
    row(
        "VER-052",
        "a slice may be changed by an atomic operation",
        "slice",
        (accepted("ver_052"), accepted("ver_043_across_accepted")),
        "kernel/bpf/verifier.c, check_atomic",
    ),
    row(
        "VER-053",
        "a privileged program may store a pointer in a slice",
        "slice",
        (accepted("ver_053"), accepted("ver_043_across_accepted")),
        "kernel/bpf/verifier.c, check_mem_access: only an unprivileged program leaks",
    ),
    row(
        "VER-054",
        "a slice cannot be released as if it came from bpf_ringbuf_reserve",
        "slice",
        (refused("ver_054", EACCES, "type=mem expected=ringbuf_mem"), accepted("ver_054_accepted")),
        ARGUMENT_SOURCE,
        (
            Older(
                (6, 12),
                "the type had another name before v6.2 (894f2a8b1673)",
                (refused("ver_054", EACCES, "type=mem expected=alloc_mem"),),
            ),
        ),
    ),
    row(
        "VER-055",
        "memory of bpf_ringbuf_reserve cannot be released as a dynptr",
        "slice",
        (refused("ver_055", EACCES, "R1 type=ringbuf_mem expected=fp"), accepted("ver_055_accepted")),
        ARGUMENT_SOURCE,
        (
            Older(
                (6, 12),
                "the type had another name before v6.2 (894f2a8b1673)",
                (refused("ver_055", EACCES, "R1 type=alloc_mem expected=fp, dynptr_ptr"),),
            ),
        ),
    ),
    row(
        "VER-056",
        "a slice cannot be the memory of another dynptr",
        "slice",
        (
            refused("ver_056", EACCES, "Unsupported reg type mem for bpf_dynptr_from_mem data"),
            accepted("ver_056_accepted"),
        ),
        "kernel/bpf/verifier.c: bpf_dynptr_from_mem takes map values only",
    ),
    row(
        "VER-057",
        "a slice may be given to a global function",
        "subprograms",
        (accepted("ver_057"), accepted("ver_130_holding")),
        "kernel/bpf/verifier.c: memory arguments of global functions",
        loaders=("libbpf",),
    ),
    row(
        "DYN-022",
        "a slice may be what a helper reads from and writes to, as far as it reaches",
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
