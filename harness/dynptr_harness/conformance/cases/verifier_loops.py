"""VER-190 to VER-197: reservations around, in and across the iterations of loops."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
ITERATORS = ("bpf_iter_num_new",)
LOOP_SOURCE = "kernel/bpf/verifier.c, process_iter_next_call: each iteration is verified (v6.4, 06accc8779c1)"
LEAK = "Unreleased reference"
UNINITIALISED = "Expected an initialized dynptr as R1"
UNACQUIRED = "arg 1 is an unacquired reference"
EARLIER = "before v7.2 the verifier checks the reference before the state of the dynptr (308c7a0ae885)"

CASES = (
    row(
        "VER-190",
        "the verifier accepts reservations around and inside the loop of an open-coded iterator",
        "iterators",
        (accepted("ver_190_around"), accepted("ver_190_in"), accepted("ver_190_break")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-191",
        "the verifier rejects a program that leaves a loop with an unreleased reservation",
        "iterators",
        (refused("ver_191", EINVAL, LEAK), accepted("ver_190_break")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-192",
        "the verifier rejects a slice in the iteration after the release of its reservation",
        "iterators",
        (refused("ver_192", EACCES, "invalid mem access 'scalar'"), accepted("ver_192_accepted")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-193",
        "the verifier rejects a release that is only in a loop: the loop may have no iterations",
        "iterators",
        (refused("ver_193", EINVAL, LEAK), accepted("ver_190_around")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-194",
        "the verifier rejects a loop that releases the same reservation in each iteration",
        "iterators",
        (refused("ver_194", EINVAL, LEAK), accepted("ver_194_accepted")),
        LOOP_SOURCE,
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-195",
        "the verifier rejects a program that reserves in each iteration and releases once after the loop",
        "iterators",
        (refused("ver_195", EINVAL, UNINITIALISED), accepted("ver_194_accepted")),
        LOOP_SOURCE,
        (Older((7, 2), EARLIER, (refused("ver_195", EINVAL, UNACQUIRED),)),),
        loaders=ELF,
        kfuncs=ITERATORS,
    ),
    row(
        "VER-196",
        "the verifier rejects an iterator and a reservation in the same stack slots",
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
        "the verifier accepts a bounded loop with branches that reserves and submits 512 times",
        "iterators",
        (accepted("ver_197"),),
        "kernel/bpf/verifier.c: bounded loops (v5.3, 2589726d12a1)",
        loaders=ELF,
    ),
)
