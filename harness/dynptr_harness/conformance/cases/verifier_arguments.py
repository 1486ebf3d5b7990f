"""VER-060 to VER-079, QRY-009, MAP-017: arguments of the helpers, and the place of a dynptr."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import ALL_TYPES, Older, accepted, refused, row

READ_SOURCE = "kernel/bpf/verifier.c, check_reg_arg: a register that was never written cannot be read"
MAP_SOURCE = "kernel/bpf/verifier.c, check_map_func_compatibility"
TYPE_SOURCE = "kernel/bpf/verifier.c, check_reg_type: the pointer types of an argument"
PLACE_SOURCE = "kernel/bpf/verifier.c, process_dynptr_func and stack_slot_obj_get_spi"

RESERVE = "into func bpf_ringbuf_reserve_dynptr#198"
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
ON_STACK = "expected=fp, dynptr_ptr"

CASES = (
    row(
        "VER-060",
        "the verifier rejects the use of a return value of submit",
        "arguments",
        (refused("ver_060", EACCES, "R0 !read_ok"), accepted("ver_060_accepted")),
        READ_SOURCE,
    ),
    row(
        "VER-061",
        "the verifier rejects a size or flags from an uninitialized register",
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
        "the verifier accepts a size and flags of unknown value",
        "arguments",
        (accepted("ver_062"), accepted("ver_061_accepted")),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_reserve_dynptr_proto: ARG_ANYTHING (v5.19, bc34dee65a65)",
    ),
    row(
        "VER-063",
        "the verifier accepts a privileged program that passes pointers as size and flags",
        "arguments",
        (accepted("ver_063"), accepted("ver_061_accepted")),
        "kernel/bpf/verifier.c, check_func_arg: ARG_ANYTHING; only unprivileged programs must not leak "
        "pointers",
    ),
    row(
        "VER-064",
        "the verifier rejects a reservation in an array",
        "arguments",
        (refused("ver_064", EINVAL, f"cannot pass map_type 2 {RESERVE}"), accepted("ver_064_accepted")),
        MAP_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-065",
        "the verifier rejects a reservation in a user ring buffer",
        "user_ringbuf",
        (refused("ver_065", EINVAL, f"cannot pass map_type 31 {RESERVE}"), accepted("ver_065_accepted")),
        MAP_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-066",
        "the verifier rejects NULL or a number as the ring",
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
        "the verifier rejects an inner ring that was not tested for NULL",
        "arguments",
        (refused("ver_067", EACCES, "R1 type=map_ptr_or_null expected=map_ptr"), accepted("ver_068")),
        TYPE_SOURCE,
        (
            Older(
                (7, 3),
                "before v7.3 an inner map has the pointer type of a map value",
                (refused("ver_067", EACCES, "R1 type=map_value_or_null expected=map_ptr"),),
            ),
        ),
    ),
    row(
        "VER-068",
        "the verifier accepts a reservation in an inner ring",
        "arguments",
        (accepted("ver_068"),),
        TYPE_SOURCE,
    ),
    row(
        "VER-069",
        "the verifier accepts a release that depends on a second NULL test of a saved ring pointer",
        "arguments",
        (accepted("ver_069"), accepted("ver_068")),
        "kernel/bpf/verifier.c, reg_not_null: a map pointer is never NULL (in v6.12, not in v6.1)",
        (
            Older(
                (6, 12),
                "v6.1 treats a map pointer as possibly NULL at each test",
                (refused("ver_069", EINVAL, "Unreleased reference"),),
            ),
        ),
    ),
    row(
        "QRY-009",
        "the verifier rejects bpf_ringbuf_query on a map that is not a ring, such as an array",
        "arguments",
        (
            refused("qry_009", EINVAL, "cannot pass map_type 2 into func bpf_ringbuf_query#134"),
            accepted("qry_009_accepted"),
        ),
        MAP_SOURCE,
    ),
    row(
        "MAP-017",
        "the verifier rejects a lookup of an element in a ring",
        "arguments",
        (refused("map_017", EACCES, "invalid zero-sized read"), accepted("map_017_accepted")),
        "kernel/bpf/verifier.c, check_helper_mem_access: the key size of a ring is 0",
    ),
    row(
        "VER-070",
        "the verifier rejects a dynptr in a map value",
        "arguments",
        (refused("ver_070", EACCES, "R4 type=map_value", ON_STACK), accepted("ver_070_accepted")),
        TYPE_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-071",
        "the verifier rejects a dynptr in a map value that was not tested for NULL",
        "arguments",
        (refused("ver_071", EACCES, "R4 type=map_value", ON_STACK), accepted("ver_070_accepted")),
        TYPE_SOURCE,
    ),
    row(
        "VER-072",
        "the verifier rejects NULL, a number or the context as the dynptr",
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
        "the verifier rejects a dynptr at a stack offset that is not a multiple of 8",
        "arguments",
        (
            refused("ver_073", EINVAL, "cannot pass in dynptr at an offset"),
            accepted("ver_073_accepted"),
        ),
        PLACE_SOURCE,
    ),
    row(
        "VER-074",
        "the verifier rejects a dynptr where less than 16 bytes of the stack remain",
        "arguments",
        (
            refused("ver_074", EINVAL, "cannot pass in dynptr at an offset=-8"),
            accepted("ver_074_accepted"),
        ),
        PLACE_SOURCE,
        (
            Older(
                (6, 12),
                "v6.1 checks only the bytes on the stack",
                (refused("ver_074", EACCES, "invalid write to stack R4 off=0 size=8"),),
            ),
        ),
    ),
    row(
        "VER-075",
        "the verifier rejects a dynptr outside the stack",
        "arguments",
        (
            refused("ver_075", EINVAL, "cannot pass in dynptr at an offset=0"),
            accepted("ver_074_accepted"),
        ),
        PLACE_SOURCE,
        (
            Older(
                (6, 12),
                "v6.1 checks only the bytes on the stack",
                (refused("ver_075", EACCES, "invalid write to stack"),),
            ),
        ),
    ),
    row(
        "VER-076",
        "the verifier rejects the release of the second half of a dynptr",
        "arguments",
        (
            refused("ver_076", EINVAL, "offset=-8", f"{UNINITIALISED} R1"),
            accepted("ver_074_accepted"),
        ),
        PLACE_SOURCE,
        (
            Older(
                (7, 2),
                "between v6.17 and v7.2 the verifier began to check the state of the dynptr first",
                (refused("ver_076", EINVAL, "offset=-8", UNACQUIRED),),
            ),
            Older((6, 12), "v6.1 does not log the offset", (refused("ver_076", EINVAL, UNACQUIRED),)),
        ),
    ),
    row(
        "VER-077",
        "the verifier rejects a write to, or a read from, the second half of a dynptr",
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
                "between v6.17 and v7.2 the verifier log began to name arguments by register",
                (
                    refused("ver_077_write", EINVAL, "offset=-8", f"{UNINITIALISED} arg #0"),
                    refused("ver_077_read", EINVAL, "offset=-8", f"{UNINITIALISED} arg #2"),
                ),
            ),
            Older(
                (6, 12),
                "v6.1 does not log the offset and counts arguments from 1",
                (
                    refused("ver_077_write", EINVAL, f"{UNINITIALISED} arg #1"),
                    refused("ver_077_read", EINVAL, f"{UNINITIALISED} arg #3"),
                ),
            ),
        ),
    ),
    row(
        "VER-078",
        "the verifier rejects a dynptr at a variable stack offset",
        "arguments",
        (
            refused("ver_078", EINVAL, "dynptr has to be at a constant offset"),
            accepted("ver_078_accepted"),
        ),
        "kernel/bpf/verifier.c, stack_slot_obj_get_spi (v6.3, 79168a669d81)",
        (
            Older(
                (6, 3),
                ("before v6.3 the verifier does not check the offset"),
                (accepted("ver_078"),),
                defect=True,
            ),
        ),
    ),
    row(
        "VER-079",
        "the verifier accepts a program that holds eight reservations",
        "arguments",
        (accepted("ver_079"),),
        PLACE_SOURCE,
    ),
)
