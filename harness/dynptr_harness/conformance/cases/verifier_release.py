"""VER-001 to VER-035, RSV-045: a reservation is released once on every path, and not used afterwards."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import ALL_TYPES, Older, accepted, refused, row

LEAK = "Unreleased reference"
LEAK_SOURCE = "kernel/bpf/verifier.c, check_reference_leak (v5.19: a dynptr is a reference, bc34dee65a65)"
RELEASE_SOURCE = "kernel/bpf/verifier.c, release of a dynptr argument: OBJ_RELEASE in check_func_arg (v5.19)"
INIT_SOURCE = "kernel/bpf/verifier.c, process_dynptr_func: is_dynptr_reg_valid_init"
SLICE_SOURCE = (
    "kernel/bpf/verifier.c: a release invalidates the pointers derived from the reference (v5.19, "
    "34d4ef5775f7)"
)

# The verifier log for a release, and for a use, of something that is not a valid dynptr.
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
STATE_FIRST = "between v6.17 and v7.2 the verifier began to check the state of the dynptr first"
BY_REGISTER = "between v6.17 and v7.2 the verifier log began to name arguments by register"
DEAD_USES = ("ver_025_write_released", "ver_025_data_released", "ver_025_data_never_reserved")
KFUNCS = ("size", "adjust", "is_null", "is_rdonly", "clone")
DEAD_SLICE = "invalid mem access 'scalar'"

CASES = (
    row(
        "VER-001",
        "the verifier rejects a program that never releases its reservation",
        "release",
        (refused("ver_001", EINVAL, LEAK), accepted("ver_001_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-002",
        "the verifier rejects a program that releases only one of its two reservations",
        "release",
        (refused("ver_002", EINVAL, LEAK), accepted("ver_002_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-003",
        "the verifier rejects a program that releases its reservation only on some paths",
        "release",
        (refused("ver_003", EINVAL, LEAK), accepted("ver_003_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-004",
        "the verifier rejects a program that releases its reservation only if it succeeded",
        "release",
        (refused("ver_004", EINVAL, LEAK), accepted("ver_004_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-005",
        "the verifier rejects a program that returns without a release if it gets no slice",
        "release",
        (refused("ver_005", EINVAL, LEAK), accepted("ver_005_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "VER-006",
        "the verifier accepts a release on the common path, on an error path, and after a NULL slice",
        "release",
        (accepted("ver_006_common"), accepted("ver_006_on_error"), accepted("ver_005_accepted")),
        LEAK_SOURCE,
        types=ALL_TYPES,
    ),
    row(
        "RSV-045",
        "the verifier accepts a submit or discard after a failed reservation, in the error branch and after "
        "it",
        "release",
        (accepted("ver_006_common"), accepted("ver_006_on_error"), accepted("ver_004_accepted")),
        LEAK_SOURCE,
    ),
    row(
        "VER-007",
        "the verifier accepts a submit on one path and a discard on the other",
        "release",
        (accepted("ver_007"), accepted("ver_003_accepted")),
        LEAK_SOURCE,
    ),
    row(
        "VER-008",
        "the verifier rejects a callback of bpf_loop that does not release its reservation",
        "callbacks",
        (refused("ver_008", EINVAL, LEAK), accepted("ver_080")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-009",
        "the verifier rejects a static function that does not release its reservation",
        "subprograms",
        (refused("ver_009", EINVAL, LEAK), accepted("ver_009_accepted")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-010",
        "the verifier rejects a global function that does not release its reservation",
        "subprograms",
        (refused("ver_010", EINVAL, "Validating global_leak() func#1", LEAK), accepted("ver_130_alone")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-011",
        "the verifier rejects a callback of a timer that does not release its reservation",
        "callbacks",
        (refused("ver_011", EINVAL, LEAK), accepted("ver_085")),
        LEAK_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-012",
        "the verifier log names the instruction that exits with an unreleased reservation",
        "release",
        (
            refused(
                "ver_001", EINVAL, LEAK, "BPF_EXIT instruction in main prog would lead to reference leak"
            ),
            accepted("ver_001_accepted"),
        ),
        "kernel/bpf/verifier.c, check_resource_leak (v6.13, d402755ced2e)",
        (
            Older(
                (6, 16),
                ("the log line was added between v6.12 and v6.16"),
                (refused("ver_001", EINVAL, LEAK),),
            ),
        ),
    ),
    row(
        "VER-020",
        "the verifier rejects a second submit of the same reservation",
        "release",
        (refused("ver_020", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_020_accepted")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                STATE_FIRST,
                (refused("ver_020", EINVAL, UNACQUIRED),),
            ),
        ),
        types=ALL_TYPES,
    ),
    row(
        "VER-021",
        "the verifier rejects a discard after the submit of the same reservation",
        "release",
        (refused("ver_021", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_021_accepted")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                STATE_FIRST,
                (refused("ver_021", EINVAL, UNACQUIRED),),
            ),
        ),
        types=ALL_TYPES,
    ),
    row(
        "VER-022",
        "the verifier rejects a callback of bpf_loop that releases its reservation twice",
        "callbacks",
        (refused("ver_022", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_080")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                STATE_FIRST,
                (refused("ver_022", EINVAL, UNACQUIRED),),
            ),
        ),
        loaders=("libbpf",),
    ),
    row(
        "VER-023",
        "the verifier rejects a submit or discard of a dynptr that was never reserved, zeroed or not",
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
                STATE_FIRST,
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
        "the verifier rejects a read from a dynptr that was released or never reserved",
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
                BY_REGISTER,
                (
                    refused("ver_024_released", EINVAL, f"{UNINITIALISED} arg #2"),
                    refused("ver_024_never_reserved", EINVAL, f"{UNINITIALISED} arg #2"),
                ),
            ),
            Older(
                (6, 12),
                "before v6.12 the verifier log counts arguments from 1",
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
        "the verifier rejects a write to, or a slice of, a dynptr that was released or never reserved",
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
                ((7, 2), BY_REGISTER, "arg #0"),
                ((6, 12), "before v6.12 the verifier log counts arguments from 1", "arg #1"),
            )
        ),
    ),
    row(
        "VER-026",
        "the verifier rejects a released dynptr as the argument of a kfunc",
        "kfuncs",
        (
            *(refused(f"ver_026_{name}", EINVAL, f"{UNINITIALISED} R1") for name in KFUNCS),
            accepted("ver_026_accepted"),
        ),
        INIT_SOURCE,
        (
            Older(
                (7, 2),
                BY_REGISTER,
                tuple(refused(f"ver_026_{name}", EINVAL, f"{UNINITIALISED} arg #0") for name in KFUNCS),
            ),
        ),
        loaders=("libbpf",),
        kfuncs=tuple(f"bpf_dynptr_{name}" for name in KFUNCS),
    ),
    row(
        "VER-027",
        "the verifier rejects a submit on all paths if the dynptr was reserved on only one",
        "release",
        (refused("ver_027", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_027_accepted")),
        RELEASE_SOURCE,
        (
            Older(
                (7, 2),
                STATE_FIRST,
                (refused("ver_027", EINVAL, UNACQUIRED),),
            ),
        ),
    ),
    row(
        "VER-028",
        "the verifier rejects a release that depends on a flag that is read from memory a second time",
        "release",
        (refused("ver_028", EINVAL, LEAK), accepted("ver_028_accepted")),
        LEAK_SOURCE,
    ),
    row(
        "VER-029",
        "after the submit, the verifier rejects the use of a slice",
        "slice",
        (refused("ver_029", EACCES, DEAD_SLICE), accepted("ver_029_accepted")),
        SLICE_SOURCE,
    ),
    row(
        "VER-030",
        "after the submit, the verifier rejects the use of a slice that was advanced and saved on the stack",
        "slice",
        (refused("ver_030", EACCES, DEAD_SLICE), accepted("ver_030_accepted")),
        SLICE_SOURCE,
    ),
    row(
        "VER-031",
        "after the submit, the verifier rejects the use of a slice that was added to a number",
        "slice",
        (refused("ver_031", EACCES, DEAD_SLICE), accepted("ver_031_accepted")),
        SLICE_SOURCE,
        (
            Older(
                (7, 2),
                "v6.16 and v6.17 forget that the sum is derived from the reservation; v6.12 and v7.2 do not",
                (accepted("ver_031"),),
                defect=True,
                since=(6, 13),
            ),
        ),
    ),
    row(
        "VER-032",
        "the verifier accepts the use of a slice after the release of another reservation",
        "slice",
        (accepted("ver_032"), accepted("ver_029_accepted")),
        SLICE_SOURCE,
    ),
    row(
        "VER-033",
        "the verifier accepts the release of two reservations in the order of reservation and in reverse",
        "release",
        (accepted("ver_033_in_order"), accepted("ver_033_reversed")),
        RELEASE_SOURCE,
    ),
    row(
        "VER-034",
        "the verifier accepts a new reservation into a dynptr that was released",
        "release",
        (accepted("ver_034"), accepted("ver_020_accepted")),
        RELEASE_SOURCE,
    ),
    row(
        "VER-035",
        "after the release, the verifier accepts a read of the dynptr's bytes on the stack",
        "release",
        (accepted("ver_035"),),
        RELEASE_SOURCE,
    ),
)
