"""VER-090 to VER-106: writes to, and reads of, the bytes of a dynptr that holds a reservation."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, VerifierProgram, accepted, refused, row

SOURCE = "kernel/bpf/verifier.c, destroy_if_dynptr_stack_slot (v6.3, ef8fc7a07c0e)"
UNDETECTED = (
    "before v6.3 the verifier does not detect the overwrite itself and rejects the program with another error"
)

OVERWRITE = "cannot overwrite referenced dynptr"
INITIALISED = "Dynptr has to be an uninitialized dynptr"
UNINITIALISED = "Expected an initialized dynptr as arg #1"
UNACQUIRED = "arg 1 is an unacquired reference"


def rejected_overwrites(*names: str) -> tuple[VerifierProgram, ...]:
    """Return programs that are rejected because they overwrite a reservation."""
    return tuple(refused(name, EINVAL, OVERWRITE) for name in names)


def undetected(reason: str, *names: str, errno: int = EINVAL) -> tuple[Older, ...]:
    """Return the answer of kernels that do not detect the overwrite itself."""
    return (Older((6, 3), UNDETECTED, tuple(refused(name, errno, reason) for name in names)),)


CASES = (
    row(
        "VER-090",
        "the verifier rejects a reservation into a dynptr that holds a reservation",
        "overwrite",
        (*rejected_overwrites("ver_090"), accepted("ver_090_accepted")),
        SOURCE,
        undetected(INITIALISED, "ver_090"),
    ),
    row(
        "VER-091",
        "the verifier accepts a reservation into a dynptr to memory, which needs no release",
        "overwrite",
        (accepted("ver_091"), accepted("ver_091_accepted")),
        "kernel/bpf/verifier.c, destroy_if_dynptr_stack_slot (v6.3, 379d4ba831cf)",
        (
            Older(
                (6, 3),
                "before v6.3 the verifier allows no overwrite of any dynptr",
                (refused("ver_091", EINVAL, INITIALISED),),
            ),
        ),
    ),
    row(
        "VER-092",
        "the verifier rejects a dynptr to memory that replaces a reservation",
        "overwrite",
        (*rejected_overwrites("ver_092"), accepted("ver_092_accepted")),
        SOURCE,
        undetected(INITIALISED, "ver_092"),
    ),
    row(
        "VER-093",
        "the verifier rejects a dynptr that overlaps half of a reservation's dynptr",
        "overwrite",
        (*rejected_overwrites("ver_093", "ver_093_type"), accepted("ver_093_accepted")),
        SOURCE,
        (
            Older(
                (6, 3),
                "before v6.3 the verifier accepts a store into a dynptr, and takes a dynptr to memory in "
                "its second half for the reservation",
                (refused("ver_093", EINVAL, INITIALISED), accepted("ver_093_type")),
                defect=True,
            ),
        ),
    ),
    row(
        "VER-094",
        "the verifier rejects a loop that reserves into the same dynptr without a release",
        "overwrite",
        (*rejected_overwrites("ver_094"), accepted("ver_094_accepted")),
        SOURCE,
        undetected(INITIALISED, "ver_094"),
    ),
    row(
        "VER-095",
        "the verifier rejects a store of 0 or of an unknown number into a reservation's dynptr",
        "overwrite",
        (*rejected_overwrites("ver_095_zero", "ver_095_unknown"), accepted("ver_095_accepted")),
        SOURCE,
        undetected(UNINITIALISED, "ver_095_zero", "ver_095_unknown"),
    ),
    row(
        "VER-096",
        "the verifier rejects a store of a constant into a reservation's dynptr",
        "overwrite",
        (*rejected_overwrites("ver_096"), accepted("ver_096_accepted")),
        SOURCE,
        undetected(UNACQUIRED, "ver_096"),
    ),
    row(
        "VER-097",
        "the verifier rejects a store into the second half of a reservation's dynptr",
        "overwrite",
        (*rejected_overwrites("ver_097_byte", "ver_097_word"), accepted("ver_097_accepted")),
        SOURCE,
        undetected(UNINITIALISED, "ver_097_byte", "ver_097_word"),
    ),
    row(
        "VER-098",
        "the verifier rejects a store at a variable stack offset that may hit a reservation's dynptr",
        "overwrite",
        (*rejected_overwrites("ver_098"), accepted("ver_098_accepted")),
        SOURCE,
        undetected(UNINITIALISED, "ver_098"),
    ),
    row(
        "VER-099",
        "the verifier rejects a callback that stores into a reservation's dynptr",
        "callbacks",
        (
            *rejected_overwrites("ver_099_loop", "ver_099_for_each"),
            accepted("ver_081_loop"),
            accepted("ver_081_for_each"),
        ),
        SOURCE,
        undetected(UNACQUIRED, "ver_099_loop", "ver_099_for_each"),
        loaders=("libbpf",),
    ),
    row(
        "VER-100",
        "the verifier rejects a helper call that writes over a reservation's dynptr",
        "overwrite",
        (
            *rejected_overwrites("ver_100_probe_read", "ver_100_comm", "ver_100_itself"),
            accepted("ver_100_accepted"),
        ),
        SOURCE,
        (
            Older(
                (7, 3),
                "since v7.3 the verifier checks the write of a helper like a store",
                tuple(
                    refused(name, EACCES, "potential write to dynptr at off=-16")
                    for name in ("ver_100_probe_read", "ver_100_comm", "ver_100_itself")
                ),
            ),
            *undetected(UNINITIALISED, "ver_100_probe_read", "ver_100_comm", "ver_100_itself"),
        ),
    ),
    row(
        "VER-101",
        "the verifier rejects a read of the bytes of a reservation's dynptr",
        "overwrite",
        (
            refused("ver_101", EACCES, "invalid read from stack off -16+0 size 4"),
            accepted("ver_101_accepted"),
        ),
        "kernel/bpf/verifier.c, check_stack_read_fixed_off",
    ),
    row(
        "VER-102",
        "the verifier rejects a helper call that reads the bytes of a reservation's dynptr",
        "overwrite",
        (refused("ver_102_output", EACCES, "invalid read from stack"), accepted("ver_102_accepted")),
        "kernel/bpf/verifier.c, check_stack_range_initialized",
        (
            Older(
                (6, 16),
                "the log message changed between v6.12 and v6.16",
                (refused("ver_102_output", EACCES, "invalid indirect read from stack"),),
            ),
        ),
    ),
    row(
        "VER-103",
        "the verifier rejects a reservation's dynptr as a map value, alone or in a structure",
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
                "the log message changed between v6.12 and v6.16",
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
        "the verifier rejects a reservation's dynptr that is overwritten on only one of two joining paths",
        "overwrite",
        (*rejected_overwrites("ver_104"), accepted("ver_106")),
        "kernel/bpf/verifier.c, stacksafe (v6.3, d6fefa1105da)",
        (
            Older(
                (6, 3),
                "before v6.3 the verifier treats the states of both paths as equal",
                (accepted("ver_104"),),
                defect=True,
            ),
        ),
    ),
    row(
        "VER-105",
        "the verifier rejects a dynptr that has another type on one of two joining paths",
        "overwrite",
        (*rejected_overwrites("ver_105"), accepted("ver_106")),
        "kernel/bpf/verifier.c, stacksafe (v6.3, d6fefa1105da)",
        (
            Older(
                (6, 3),
                "before v6.3 the verifier treats the states of both paths as equal",
                (accepted("ver_105"),),
                defect=True,
            ),
        ),
    ),
    row(
        "VER-106",
        "the verifier accepts two joining paths if neither of them changes the reservation's dynptr",
        "overwrite",
        (accepted("ver_106"),),
        "kernel/bpf/verifier.c, stacksafe",
    ),
)
