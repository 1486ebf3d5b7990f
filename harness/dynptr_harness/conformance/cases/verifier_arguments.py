"""VER-060 to VER-079, QRY-009, MAP-017: what the helpers take, and where a dynptr may be."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import ALL_TYPES, Older, accepted, refused, row

READ_SOURCE = "kernel/bpf/verifier.c, check_reg_arg: a register that was never written cannot be read"
MAP_SOURCE = "kernel/bpf/verifier.c, check_map_func_compatibility"
TYPE_SOURCE = "kernel/bpf/verifier.c, check_reg_type: which pointers an argument takes"
PLACE_SOURCE = "kernel/bpf/verifier.c, process_dynptr_func and stack_slot_obj_get_spi"

RESERVE = "into func bpf_ringbuf_reserve_dynptr#198"
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
ON_STACK = "expected=fp, dynptr_ptr"

CASES = (
    row(
        "VER-060",
        "submit has no result",
        "arguments",
        (refused("ver_060", EACCES, "R0 !read_ok"), accepted("ver_060_accepted")),
        READ_SOURCE,
    ),
    row(
        "VER-061",
        "a size or flags that were never set are refused",
        "arguments",
        (
            refused("ver_061_size", EACCES, "R2 !read_ok"),
            refused("ver_061_flags", EACCES, "R2 !read_ok"),
            accepted("ver_061_accepted"),
        ),
        READ_SOURCE,
    ),
    row(
        "VER-062",
        "size and flags may be numbers of which nothing is known",
        "arguments",
        (accepted("ver_062"), accepted("ver_061_accepted")),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_reserve_dynptr_proto: ARG_ANYTHING (v5.19, bc34dee65a65)",
    ),
    row(
        "VER-063",
        "a privileged program may give pointers as size and flags",
        "arguments",
        (accepted("ver_063"), accepted("ver_061_accepted")),
        "kernel/bpf/verifier.c, check_func_arg: ARG_ANYTHING leaks from unprivileged programs only",
    ),
    row(
        "VER-064",
        "nothing can be reserved from an array",
        "arguments",
        (refused("ver_064", EINVAL, f"cannot pass map_type 2 {RESERVE}"), accepted("ver_064_accepted")),
        MAP_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-065",
        "nothing can be reserved from a ring that user space fills",
        "user_ringbuf",
        (refused("ver_065", EINVAL, f"cannot pass map_type 31 {RESERVE}"), accepted("ver_065_accepted")),
        MAP_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-066",
        "the map cannot be NULL nor a number",
        "arguments",
        (
            refused("ver_066_null", EACCES, "R1 type=scalar expected=map_ptr"),
            refused("ver_066_number", EACCES, "R1 type=scalar expected=map_ptr"),
            accepted("ver_064_accepted"),
        ),
        TYPE_SOURCE,
    ),
    row(
        "VER-067",
        "a ring of a map of maps must be tested for NULL",
        "arguments",
        (refused("ver_067", EACCES, "R1 type=map_ptr_or_null expected=map_ptr"), accepted("ver_068")),
        TYPE_SOURCE,
        (
            Older(
                (7, 3),
                "what a map of maps gives had the type of a value",
                (refused("ver_067", EACCES, "R1 type=map_value_or_null expected=map_ptr"),),
            ),
        ),
    ),
    row(
        "VER-068",
        "a ring of a map of maps can be reserved from",
        "arguments",
        (accepted("ver_068"),),
        TYPE_SOURCE,
    ),
    row(
        "VER-069",
        "a release may depend on the ring, kept beside its dynptr: that a map is there is not forgotten",
        "arguments",
        (accepted("ver_069"), accepted("ver_068")),
        "kernel/bpf/verifier.c, reg_not_null: a pointer to a map is never NULL (6.12 has it, 6.1 has not)",
        (
            Older(
                (6, 12),
                "a pointer to a map could be NULL whenever it was tested",
                (refused("ver_069", EINVAL, "Unreleased reference"),),
            ),
        ),
    ),
    row(
        "QRY-009",
        "only a ring of the kernel's can be queried, no array",
        "arguments",
        (
            refused("qry_009", EINVAL, "cannot pass map_type 2 into func bpf_ringbuf_query#134"),
            accepted("qry_009_accepted"),
        ),
        MAP_SOURCE,
    ),
    row(
        "MAP-017",
        "a ring has no elements that a program could look up",
        "arguments",
        (refused("map_017", EACCES, "invalid zero-sized read"), accepted("map_017_accepted")),
        "kernel/bpf/verifier.c, check_helper_mem_access: keys of a ring have no length",
    ),
    row(
        "VER-070",
        "a dynptr cannot be in the value of a map",
        "arguments",
        (refused("ver_070", EACCES, "R4 type=map_value", ON_STACK), accepted("ver_070_accepted")),
        TYPE_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-071",
        "a dynptr cannot be in the value of a map, be it there or not",
        "arguments",
        (refused("ver_071", EACCES, "R4 type=map_value", ON_STACK), accepted("ver_070_accepted")),
        TYPE_SOURCE,
    ),
    row(
        "VER-072",
        "a dynptr cannot be at NULL, at a number, or in the context",
        "arguments",
        (
            refused("ver_072_null", EACCES, "R4 type=scalar", ON_STACK),
            refused("ver_072_number", EACCES, "R4 type=scalar", ON_STACK),
            refused("ver_072_context", EACCES, "R4 type=ctx", ON_STACK),
            accepted("ver_070_accepted"),
        ),
        TYPE_SOURCE,
    ),
    row(
        "VER-073",
        "a dynptr must be at a multiple of eight bytes",
        "arguments",
        (
            refused("ver_073", EINVAL, "cannot pass in dynptr at an offset"),
            accepted("ver_073_accepted"),
        ),
        PLACE_SOURCE,
    ),
    row(
        "VER-074",
        "a dynptr needs sixteen bytes of the stack",
        "arguments",
        (
            refused("ver_074", EINVAL, "cannot pass in dynptr at an offset=-8"),
            accepted("ver_074_accepted"),
        ),
        PLACE_SOURCE,
        (
            Older(
                (6, 12),
                "only the bytes were looked at",
                (refused("ver_074", EACCES, "invalid write to stack R4 off=0 size=8"),),
            ),
        ),
    ),
    row(
        "VER-075",
        "a dynptr must be on the stack",
        "arguments",
        (
            refused("ver_075", EINVAL, "cannot pass in dynptr at an offset=0"),
            accepted("ver_074_accepted"),
        ),
        PLACE_SOURCE,
        (
            Older(
                (6, 12),
                "only the bytes were looked at",
                (refused("ver_075", EACCES, "invalid write to stack"),),
            ),
        ),
    ),
    row(
        "VER-076",
        "the second half of a dynptr cannot be released",
        "arguments",
        (
            refused("ver_076", EINVAL, "offset=-8", f"{UNINITIALISED} R1"),
            accepted("ver_074_accepted"),
        ),
        PLACE_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first",
                (refused("ver_076", EINVAL, "offset=-8", UNACQUIRED),),
            ),
            Older((6, 12), "the place was not told", (refused("ver_076", EINVAL, UNACQUIRED),)),
        ),
    ),
    row(
        "VER-077",
        "the second half of a dynptr can be neither written nor read",
        "arguments",
        (
            refused("ver_077_write", EINVAL, "offset=-8", f"{UNINITIALISED} R1"),
            refused("ver_077_read", EINVAL, "offset=-8", f"{UNINITIALISED} R3"),
            accepted("ver_074_accepted"),
        ),
        PLACE_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, arguments are called by their registers",
                (
                    refused("ver_077_write", EINVAL, "offset=-8", f"{UNINITIALISED} arg #0"),
                    refused("ver_077_read", EINVAL, "offset=-8", f"{UNINITIALISED} arg #2"),
                ),
            ),
            Older(
                (6, 12),
                "the place was not told, and arguments were counted from 1",
                (
                    refused("ver_077_write", EINVAL, f"{UNINITIALISED} arg #1"),
                    refused("ver_077_read", EINVAL, f"{UNINITIALISED} arg #3"),
                ),
            ),
        ),
    ),
    row(
        "VER-078",
        "where on the stack a dynptr is must be known to the verifier",
        "arguments",
        (
            refused("ver_078", EINVAL, "dynptr has to be at a constant offset"),
            accepted("ver_078_accepted"),
        ),
        "kernel/bpf/verifier.c, stack_slot_obj_get_spi (v6.3, 79168a669d81)",
        (Older((6, 3), "the offset was not looked at before v6.3", (accepted("ver_078"),), defect=True),),
    ),
    row(
        "VER-079",
        "eight dynptrs can be held at once",
        "arguments",
        (accepted("ver_079"),),
        PLACE_SOURCE,
    ),
)
