"""VER-090 to VER-106: nothing overwrites a dynptr that holds a reservation, and nothing reads its bytes."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, VerifierProgram, accepted, refused, row

SOURCE = "kernel/bpf/verifier.c, destroy_if_dynptr_stack_slot (v6.3, ef8fc7a07c0e)"
NOT_BEFORE = "before v6.3 the store was let through, and the dynptr missed later"

OVERWRITE = "cannot overwrite referenced dynptr"
INITIALISED = "Dynptr has to be an uninitialized dynptr"
UNINITIALISED = "Expected an initialized dynptr as arg #1"
UNACQUIRED = "arg 1 is an unacquired reference"


def over(*names: str) -> tuple[VerifierProgram, ...]:
    """Programs refused because they overwrite a reservation."""
    return tuple(refused(name, EINVAL, OVERWRITE) for name in names)


def late(reason: str, *names: str, errno: int = EINVAL) -> tuple[Older, ...]:
    """What kernels said of them that noticed only later."""
    return (Older((6, 3), NOT_BEFORE, tuple(refused(name, errno, reason) for name in names)),)


CASES = (
    row(
        "VER-090",
        "reserve",
        "nothing can be reserved into a dynptr that holds a reservation",
        "overwrite",
        (*over("ver_090"), accepted("ver_090_accepted")),
        SOURCE,
        late(INITIALISED, "ver_090"),
    ),
    row(
        "VER-091",
        "over mem",
        "a reservation may take the place of a dynptr to memory, which owes nothing",
        "overwrite",
        (accepted("ver_091"), accepted("ver_091_accepted")),
        "kernel/bpf/verifier.c, destroy_if_dynptr_stack_slot (v6.3, 379d4ba831cf)",
        (
            Older(
                (6, 3),
                "before v6.3 no dynptr could be overwritten",
                (refused("ver_091", EINVAL, INITIALISED),),
            ),
        ),
    ),
    row(
        "VER-092",
        "from mem",
        "no dynptr to memory can take the place of a reservation",
        "overwrite",
        (*over("ver_092"), accepted("ver_092_accepted")),
        SOURCE,
        late(INITIALISED, "ver_092"),
    ),
    row(
        "VER-093",
        "overlap",
        "no reservation can take half of the place of another",
        "overwrite",
        (*over("ver_093", "ver_093_type"), accepted("ver_093_accepted")),
        SOURCE,
        (
            Older(
                (6, 3),
                "before v6.3 a store into a dynptr was let through, and a dynptr to memory over its second "
                "half was taken for the reservation",
                (refused("ver_093", EINVAL, INITIALISED), accepted("ver_093_type")),
                defect=True,
            ),
        ),
    ),
    row(
        "VER-094",
        "in loop",
        "nothing can be reserved again and again without a release",
        "overwrite",
        (*over("ver_094"), accepted("ver_094_accepted")),
        SOURCE,
        late(INITIALISED, "ver_094"),
    ),
    row(
        "VER-095",
        "store 0",
        "neither 0 nor an unknown number can be stored into a reservation's dynptr",
        "overwrite",
        (*over("ver_095_zero", "ver_095_unknown"), accepted("ver_095_accepted")),
        SOURCE,
        late(UNINITIALISED, "ver_095_zero", "ver_095_unknown"),
    ),
    row(
        "VER-096",
        "store 1",
        "no constant can be stored into a reservation's dynptr",
        "overwrite",
        (*over("ver_096"), accepted("ver_096_accepted")),
        SOURCE,
        late(UNACQUIRED, "ver_096"),
    ),
    row(
        "VER-097",
        "2nd half",
        "nothing can be stored into the second half of a reservation's dynptr",
        "overwrite",
        (*over("ver_097_byte", "ver_097_word"), accepted("ver_097_accepted")),
        SOURCE,
        late(UNINITIALISED, "ver_097_byte", "ver_097_word"),
    ),
    row(
        "VER-098",
        "var store",
        "nothing can be stored where it might hit a reservation's dynptr",
        "overwrite",
        (*over("ver_098"), accepted("ver_098_accepted")),
        SOURCE,
        late(UNINITIALISED, "ver_098"),
    ),
    row(
        "VER-099",
        "callback",
        "no callback can store into a reservation's dynptr",
        "callbacks",
        (*over("ver_099_loop", "ver_099_for_each"), accepted("ver_081_loop"), accepted("ver_081_for_each")),
        SOURCE,
        late(UNACQUIRED, "ver_099_loop", "ver_099_for_each"),
        loaders=("libbpf",),
    ),
    row(
        "VER-100",
        "helper",
        "no helper can write over a reservation's dynptr",
        "overwrite",
        (
            *over("ver_100_probe_read", "ver_100_comm", "ver_100_itself"),
            accepted("ver_100_accepted"),
        ),
        SOURCE,
        (
            Older(
                (7, 3),
                "since v7.3 a helper's write is a store like any other",
                tuple(
                    refused(name, EACCES, "potential write to dynptr at off=-16")
                    for name in ("ver_100_probe_read", "ver_100_comm", "ver_100_itself")
                ),
            ),
            *late(UNINITIALISED, "ver_100_probe_read", "ver_100_comm", "ver_100_itself"),
        ),
    ),
    row(
        "VER-101",
        "load",
        "the bytes of a reservation's dynptr cannot be read",
        "overwrite",
        (
            refused("ver_101", EACCES, "invalid read from stack off -16+0 size 4"),
            accepted("ver_101_accepted"),
        ),
        "kernel/bpf/verifier.c, check_stack_read_fixed_off",
    ),
    row(
        "VER-102",
        "read by",
        "no helper can read the bytes of a reservation's dynptr",
        "overwrite",
        (refused("ver_102_output", EACCES, "invalid read from stack"), accepted("ver_102_accepted")),
        "kernel/bpf/verifier.c, check_stack_range_initialized",
        (
            Older(
                (6, 16),
                "the words changed between v6.12 and v6.16",
                (refused("ver_102_output", EACCES, "invalid indirect read from stack"),),
            ),
        ),
    ),
    row(
        "VER-103",
        "into map",
        "a reservation's dynptr cannot be stored in a map, alone or in a structure",
        "surroundings",
        (
            refused("ver_103", EACCES, "invalid read from stack"),
            refused("ver_103_struct", EACCES, "invalid read from stack"),
            accepted("ver_103_accepted"),
        ),
        "kernel/bpf/verifier.c, check_stack_range_initialized",
        (
            Older(
                (6, 16),
                "the words changed between v6.12 and v6.16",
                (
                    refused("ver_103", EACCES, "invalid indirect read from stack"),
                    refused("ver_103_struct", EACCES, "invalid indirect read from stack"),
                ),
            ),
        ),
        loaders=("libbpf",),
    ),
    row(
        "VER-104",
        "pruned",
        "a dynptr that is overwritten on one path only is missed where the paths meet",
        "overwrite",
        (*over("ver_104"), accepted("ver_106")),
        "kernel/bpf/verifier.c, stacksafe (v6.3, d6fefa1105da)",
        (
            Older(
                (6, 3),
                "before v6.3 the states of both paths were taken for equal",
                (accepted("ver_104"),),
                defect=True,
            ),
        ),
    ),
    row(
        "VER-105",
        "confused",
        "a dynptr that is another one on one path is told apart where the paths meet",
        "overwrite",
        (*over("ver_105"), accepted("ver_106")),
        "kernel/bpf/verifier.c, stacksafe (v6.3, d6fefa1105da)",
        (
            Older(
                (6, 3),
                "before v6.3 the states of both paths were taken for equal",
                (accepted("ver_105"),),
                defect=True,
            ),
        ),
    ),
    row(
        "VER-106",
        "harmless",
        "a path that leaves a reservation alone may meet another one",
        "overwrite",
        (accepted("ver_106"),),
        "kernel/bpf/verifier.c, stacksafe",
    ),
)
