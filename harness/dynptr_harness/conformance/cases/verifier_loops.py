"""VER-190 to VER-197: reservations in, around and across loops."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
ITERATORS = ("bpf_iter_num_new",)
LOOP_SOURCE = "kernel/bpf/verifier.c, process_iter_next_call: each round is verified (v6.4, 06accc8779c1)"
LEAK = "Unreleased reference"
UNINITIALISED = "Expected an initialized dynptr as R1"
UNACQUIRED = "arg 1 is an unacquired reference"
EARLIER = "before v7.2 the reference was checked before the state of the dynptr (308c7a0ae885)"

CASES = (
    row(
        "VER-190",
        "iterators",
        "a reservation may be held around an open-coded iterator, and made and released in its rounds",
        "iterators",
        (accepted("ver_190_around"), accepted("ver_190_in"), accepted("ver_190_break")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-191",
        "break",
        "a program that leaves a loop with an unreleased reservation is refused",
        "iterators",
        (refused("ver_191", EINVAL, LEAK), accepted("ver_190_break")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-192",
        "old slice",
        "a slice cannot be used in the round after its reservation was released",
        "iterators",
        (refused("ver_192", EACCES, "invalid mem access 'scalar'"), accepted("ver_192_accepted")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-193",
        "no rounds",
        "a program that releases its reservation only in a loop is refused: the loop may have no rounds",
        "iterators",
        (refused("ver_193", EINVAL, LEAK), accepted("ver_190_around")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-194",
        "each time",
        "a program that releases the same reservation in each round is refused",
        "iterators",
        (refused("ver_194", EINVAL, LEAK), accepted("ver_194_accepted")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-195",
        "in rounds",
        "a program that reserves in each round and releases once after the loop is refused",
        "iterators",
        (refused("ver_195", EINVAL, UNINITIALISED), accepted("ver_194_accepted")),
        LOOP_SOURCE,
        (Older((7, 2), EARLIER, (refused("ver_195", EINVAL, UNACQUIRED),)),),
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-196",
        "one place",
        "an iterator and a reservation cannot occupy the same stack slots at the same time",
        "iterators",
        (
            refused("ver_196_iterator", EINVAL, "cannot overwrite referenced dynptr"),
            refused("ver_196_reserve", EINVAL, "expected an initialized iter_num"),
            accepted("ver_196_accepted"),
        ),
        "kernel/bpf/verifier.c, is_iter_reg_valid_uninit (v6.4, 06accc8779c1)",
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-197",
        "512 times",
        "a bounded loop of 512 rounds with branches may reserve and submit in each round",
        "iterators",
        (accepted("ver_197"),),
        "kernel/bpf/verifier.c: bounded loops (v5.3, 2589726d12a1)",
        loaders=ELF,
    ),
)
