"""VER-001 to VER-035, RSV-045: a reservation is released on every path, once, and not used after that."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import ALL_TYPES, Older, accepted, refused, row

LEAK = "Unreleased reference"
LEAK_SOURCE = "kernel/bpf/verifier.c, check_reference_leak (v5.19: a dynptr is a reference, bc34dee65a65)"
RELEASE_SOURCE = "kernel/bpf/verifier.c, release of a dynptr argument: OBJ_RELEASE in check_func_arg (v5.19)"
INIT_SOURCE = "kernel/bpf/verifier.c, process_dynptr_func: is_dynptr_reg_valid_init"
SLICE_SOURCE = "kernel/bpf/verifier.c: what is derived from a reference dies with it (v5.19, 34d4ef5775f7)"

# How the verifier says that there is no dynptr to release, and that there is none to use.
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
NAMED = "since v7.2 at the latest, and not in v6.17, arguments are called by their registers"
DEAD_USES = ("ver_025_write_released", "ver_025_data_released", "ver_025_data_never_reserved")
KFUNCS = ("size", "adjust", "is_null", "is_rdonly", "clone")
DEAD_SLICE = "invalid mem access 'scalar'"

CASES = (
    row(
        "VER-001",
        "a program that never submits or discards its reservation is refused",
        "release",
        (refused("ver_001", EINVAL, LEAK), accepted("ver_001_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-002",
        "a program that releases one of its two reservations is refused",
        "release",
        (refused("ver_002", EINVAL, LEAK), accepted("ver_002_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-003",
        "a program that releases its reservation on some paths only is refused",
        "release",
        (refused("ver_003", EINVAL, LEAK), accepted("ver_003_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-004",
        "a program that submits or discards only when the reservation was granted is refused",
        "release",
        (refused("ver_004", EINVAL, LEAK), accepted("ver_004_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-005",
        "a program that returns without a release when it gets no slice is refused",
        "release",
        (refused("ver_005", EINVAL, LEAK), accepted("ver_005_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-006",
        "a reservation may be released on the path of all, on a path for errors, and where there is no slice",
        "release",
        (accepted("ver_006_common"), accepted("ver_006_on_error"), accepted("ver_005_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "RSV-045",
        "what a failed reservation leaves may be submitted and discarded, in its own branch and after it",
        "release",
        (accepted("ver_006_common"), accepted("ver_006_on_error"), accepted("ver_004_accepted")),
        LEAK_SOURCE,
    ),
    row(
        "VER-007",
        "a reservation may be submitted on one path and discarded on the other",
        "release",
        (accepted("ver_007"), accepted("ver_003_accepted")),
        LEAK_SOURCE,
    ),
    row(
        "VER-008",
        "a reservation forgotten in a callback of bpf_loop is refused",
        "callbacks",
        (refused("ver_008", EINVAL, LEAK), accepted("ver_080")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-009",
        "a reservation forgotten in a static function is refused",
        "subprograms",
        (refused("ver_009", EINVAL, LEAK), accepted("ver_009_accepted")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-010",
        "a reservation forgotten in a global function is refused",
        "subprograms",
        (refused("ver_010", EINVAL, "Validating global_leak() func#1", LEAK), accepted("ver_130_alone")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-011",
        "a reservation forgotten in the callback of a timer is refused",
        "callbacks",
        (refused("ver_011", EINVAL, LEAK), accepted("ver_085")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-012",
        "of a forgotten reservation the log says which instruction leaves the program with it",
        "release",
        (
            refused(
                "ver_001", EINVAL, LEAK, "BPF_EXIT instruction in main prog would lead to reference leak"
            ),
            accepted("ver_001_accepted"),
        ),
        "kernel/bpf/verifier.c, check_resource_leak (v6.13, d402755ced2e)",
        (Older((6, 16), "the line came between v6.12 and v6.16", (refused("ver_001", EINVAL, LEAK),)),),
    ),
    row(
        "VER-020",
        "a reservation submitted twice is refused",
        "release",
        (refused("ver_020", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_020_accepted")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first",
                (refused("ver_020", EINVAL, UNACQUIRED),),
            ),
        ),
        types=ALL_TYPES,
    ),
    row(
        "VER-021",
        "a reservation submitted and then discarded is refused",
        "release",
        (refused("ver_021", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_021_accepted")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first",
                (refused("ver_021", EINVAL, UNACQUIRED),),
            ),
        ),
        types=ALL_TYPES,
    ),
    row(
        "VER-022",
        "a reservation released twice in a callback of bpf_loop is refused",
        "callbacks",
        (refused("ver_022", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_080")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first",
                (refused("ver_022", EINVAL, UNACQUIRED),),
            ),
        ),
        loaders=("libbpf",),
    ),
    row(
        "VER-023",
        "a dynptr that was never reserved, zeroed or not, can be neither submitted nor discarded",
        "release",
        (
            refused("ver_023_submit", EINVAL, f"{UNINITIALISED} R1"),
            accepted("ver_023_submit_accepted"),
            refused("ver_023_discard_zeroed", EINVAL, f"{UNINITIALISED} R1"),
            accepted("ver_023_discard_zeroed_accepted"),
        ),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first",
                (
                    refused("ver_023_submit", EINVAL, UNACQUIRED),
                    refused("ver_023_discard_zeroed", EINVAL, UNACQUIRED),
                ),
            ),
        ),
        types=ALL_TYPES,
    ),
    row(
        "VER-024",
        "a dynptr that was released, or never reserved, cannot be read",
        "release",
        (
            refused("ver_024_released", EINVAL, f"{UNINITIALISED} R3"),
            accepted("ver_024_released_accepted"),
            refused("ver_024_never_reserved", EINVAL, f"{UNINITIALISED} R3"),
        ),
        INIT_SOURCE,
        (
            Older(
                (7, 2),
                NAMED,
                (
                    refused("ver_024_released", EINVAL, f"{UNINITIALISED} arg #2"),
                    refused("ver_024_never_reserved", EINVAL, f"{UNINITIALISED} arg #2"),
                ),
            ),
            Older(
                (6, 12),
                "arguments were counted from 1",
                (
                    refused("ver_024_released", EINVAL, f"{UNINITIALISED} arg #3"),
                    refused("ver_024_never_reserved", EINVAL, f"{UNINITIALISED} arg #3"),
                ),
            ),
        ),
        types=ALL_TYPES,
    ),
    row(
        "VER-025",
        "a dynptr that was released, or never reserved, can be neither written nor asked for a slice",
        "release",
        (
            *(refused(name, EINVAL, f"{UNINITIALISED} R1") for name in DEAD_USES),
            accepted("ver_025_accepted"),
        ),
        INIT_SOURCE,
        tuple(
            Older(
                before,
                why,
                tuple(refused(name, EINVAL, f"{UNINITIALISED} {argument}") for name in DEAD_USES),
            )
            for before, why, argument in (
                ((7, 2), NAMED, "arg #0"),
                ((6, 12), "arguments were counted from 1", "arg #1"),
            )
        ),
    ),
    row(
        "VER-026",
        "a dynptr that was released cannot be given to a kfunc",
        "kfuncs",
        (
            *(refused(f"ver_026_{name}", EINVAL, f"{UNINITIALISED} R1") for name in KFUNCS),
            accepted("ver_026_accepted"),
        ),
        INIT_SOURCE,
        (
            Older(
                (7, 2),
                NAMED,
                tuple(refused(f"ver_026_{name}", EINVAL, f"{UNINITIALISED} arg #0") for name in KFUNCS),
            ),
        ),
        loaders=("libbpf",),
        kfuncs=tuple(f"bpf_dynptr_{name}" for name in KFUNCS),
    ),
    row(
        "VER-027",
        "a dynptr that was reserved on one path only cannot be submitted on all",
        "release",
        (refused("ver_027", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_027_accepted")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first",
                (refused("ver_027", EINVAL, UNACQUIRED),),
            ),
        ),
    ),
    row(
        "VER-028",
        "whether a dynptr is a reservation cannot depend on a flag that is read from memory twice",
        "release",
        (refused("ver_028", EINVAL, LEAK), accepted("ver_028_accepted")),
        LEAK_SOURCE,
    ),
    row(
        "VER-029",
        "a slice cannot be used after the submit",
        "slice",
        (refused("ver_029", EACCES, DEAD_SLICE), accepted("ver_029_accepted")),
        SLICE_SOURCE,
    ),
    row(
        "VER-030",
        "a slice that was moved on and kept on the stack cannot be used after the submit",
        "slice",
        (refused("ver_030", EACCES, DEAD_SLICE), accepted("ver_030_accepted")),
        SLICE_SOURCE,
    ),
    row(
        "VER-031",
        "a slice that was added to a number cannot be used after the submit",
        "slice",
        (refused("ver_031", EACCES, DEAD_SLICE), accepted("ver_031_accepted")),
        SLICE_SOURCE,
        (
            Older(
                (7, 2),
                "v6.16 and v6.17 lose what the sum was derived from; v6.12 and v7.2 do not",
                (accepted("ver_031"),),
                defect=True,
                since=(6, 13),
            ),
        ),
    ),
    row(
        "VER-032",
        "a slice lives on when another reservation is released",
        "slice",
        (accepted("ver_032"), accepted("ver_029_accepted")),
        SLICE_SOURCE,
    ),
    row(
        "VER-033",
        "two reservations may be released in the order in which they were made, and crosswise",
        "release",
        (accepted("ver_033_in_order"), accepted("ver_033_reversed")),
        RELEASE_SOURCE,
    ),
    row(
        "VER-034",
        "a dynptr that was released may be reserved again",
        "release",
        (accepted("ver_034"), accepted("ver_020_accepted")),
        RELEASE_SOURCE,
    ),
    row(
        "VER-035",
        "the place of a dynptr is memory like any other after the release",
        "release",
        (accepted("ver_035"),),
        RELEASE_SOURCE,
    ),
)
