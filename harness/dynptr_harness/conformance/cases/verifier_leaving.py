"""VER-200 to VER-214: exits from functions and callbacks while a reservation is held."""

from __future__ import annotations

from errno import EFAULT, EINVAL

from dynptr_harness.conformance.case import Splat
from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
THROW = ("bpf_throw",)
THROW_SOURCE = "kernel/bpf/verifier.c, check_reference_leak: exceptions leave all frames (v6.7, f18b03fabaa9)"
GLOBAL_SOURCE = "kernel/bpf/verifier.c, might_throw of a global function (v7.1, 3d562d35a044)"
TAIL_CALL_SOURCE = "kernel/bpf/verifier.c: a tail call that succeeds leaves its frame (v6.19, e3245f899043)"
LD_ABS_SOURCE = "kernel/bpf/verifier.c, check_ld_abs: a load that fails leaves its frame (v7.1, ee861486e377)"
TAIL_CALL_OVERLOOKED = (
    "before v6.19 the verifier does not see that a tail call leaves its function: the record is never "
    "released (e3245f899043)"
)
TAIL_CALL_BACKTRACKED = (
    "v6.18.15 reports a bug of the verifier in __mark_chain_precision when a callback has a tail call; v7.2 "
    "rejects the call itself"
)
LEAK = "Unreleased reference"
OVERWRITTEN = "cannot overwrite referenced dynptr"

CASES = (
    row(
        "VER-200",
        "the verifier rejects an exception in a static function whose caller holds a reservation",
        "leaving",
        (
            refused("ver_200", EINVAL, LEAK),
            refused("ver_200_before_release", EINVAL, LEAK),
            accepted("ver_200_accepted"),
        ),
        THROW_SOURCE,
        loaders=ELF,
        kfuncs=THROW,
    ),
    row(
        "VER-201",
        "the verifier accepts a static function that releases its caller's reservation and then throws",
        "leaving",
        (accepted("ver_201"), accepted("ver_201_two_calls")),
        THROW_SOURCE,
        loaders=ELF,
        kfuncs=THROW,
    ),
    row(
        "VER-202",
        "the verifier rejects an exception in a global function if one of its callers holds a reservation",
        "leaving",
        (
            refused("ver_202", EINVAL, LEAK),
            refused("ver_202_through_static", EINVAL, LEAK),
            refused("ver_202_through_global", EINVAL, LEAK),
            accepted("ver_202_accepted"),
        ),
        GLOBAL_SOURCE,
        (
            Older(
                (7, 1),
                "before v7.1 the verifier does not see exceptions of global functions: the record is never "
                "released (3d562d35a044)",
                (
                    accepted("ver_202"),
                    accepted("ver_202_through_static"),
                    accepted("ver_202_through_global"),
                ),
                defect=True,
            ),
        ),
        loaders=ELF,
        kfuncs=THROW,
    ),
    row(
        "VER-203",
        "the verifier rejects an exception in a global function that holds its own reservation",
        "leaving",
        (refused("ver_203", EINVAL, LEAK), accepted("ver_203_accepted")),
        THROW_SOURCE,
        loaders=ELF,
        kfuncs=THROW,
    ),
    row(
        "VER-204",
        "the verifier rejects an exception in a callback, with or without a reservation",
        "leaving",
        (
            refused("ver_204", EINVAL, LEAK),
            refused("ver_204_through_static", EINVAL, LEAK),
            refused("ver_204_released", EINVAL, "cannot be called from callback subprog"),
            refused("ver_204_released_through_global", EINVAL, "cannot be called from callback subprog"),
            accepted("ver_204_accepted"),
        ),
        "kernel/bpf/verifier.c, check_max_stack_depth_subprog: bpf_throw (v6.7, f18b03fabaa9)",
        loaders=ELF,
        kfuncs=THROW,
    ),
    row(
        "VER-205",
        "the verifier rejects a tail call in a callback, with or without a reservation",
        "leaving",
        (
            refused("ver_205", EINVAL, "cannot tail call within callback"),
            refused("ver_205_released", EINVAL, "cannot tail call within callback"),
            accepted("ver_205_accepted"),
        ),
        "kernel/bpf/verifier.c: the target of the tail call would return to the helper",
        (
            Older(
                (7, 2),
                "v6.12 accepts tail calls in callbacks, v7.2 does not",
                (accepted("ver_205"), accepted("ver_205_released")),
                defect=True,
            ),
            Older(
                (7, 2),
                TAIL_CALL_BACKTRACKED,
                (
                    refused("ver_205", EFAULT, "callback unexpected regs"),
                    refused("ver_205_released", EFAULT, "callback unexpected regs"),
                ),
                defect=True,
                since=(6, 18),
            ),
        ),
        loaders=ELF,
        splats=(Splat("kernel/bpf/verifier.c", TAIL_CALL_BACKTRACKED, since=(6, 18), before=(7, 2)),),
    ),
    row(
        "VER-206",
        "the verifier accepts a tail call in a static or global function whose caller holds a reservation",
        "leaving",
        (accepted("ver_206_static"), accepted("ver_206_slice"), accepted("ver_206_global")),
        TAIL_CALL_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-207",
        "the verifier rejects a tail call in a static function that holds its own reservation",
        "leaving",
        (refused("ver_207", EINVAL, LEAK), accepted("ver_207_accepted")),
        TAIL_CALL_SOURCE,
        (
            Older(
                (6, 19),
                TAIL_CALL_OVERLOOKED,
                (accepted("ver_207"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-208",
        "the verifier rejects a tail call in a global function that holds its own reservation",
        "leaving",
        (
            refused("ver_208", EINVAL, "tail_call would lead to reference leak"),
            accepted("ver_208_accepted"),
        ),
        "kernel/bpf/verifier.c, check_helper_call: BPF_FUNC_tail_call (v5.19, bc34dee65a65)",
        loaders=ELF,
    ),
    row(
        "VER-209",
        "the verifier rejects a release after a tail call in the same function: the call may not return",
        "leaving",
        (refused("ver_209", EINVAL, LEAK), accepted("ver_209_accepted")),
        TAIL_CALL_SOURCE,
        (
            Older(
                (6, 19),
                TAIL_CALL_OVERLOOKED,
                (accepted("ver_209"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-210",
        "the verifier rejects a callback of exceptions that does not release its reservation",
        "leaving",
        (refused("ver_210", EINVAL, LEAK), accepted("ver_210_accepted")),
        "kernel/bpf/verifier.c, in_exception_callback_fn (v6.7, b9ae0c9dd0ac)",
        loaders=ELF,
        kfuncs=THROW,
    ),
    row(
        "VER-211",
        "the verifier rejects BPF_LD_ABS in a static function that holds its own reservation",
        "leaving",
        (refused("ver_211", EINVAL, LEAK), accepted("ver_211_accepted")),
        LD_ABS_SOURCE,
        (
            Older(
                (7, 1),
                "before v7.1 the verifier does not see that a failed BPF_LD_ABS leaves its function: the "
                "record is never released (ee861486e377)",
                (accepted("ver_211"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-212",
        "the verifier accepts BPF_LD_ABS in a static function whose caller holds a reservation",
        "leaving",
        (accepted("ver_212"),),
        LD_ABS_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-213",
        "the verifier rejects an exception in a static function called in an RCU or preemption region",
        "leaving",
        (
            refused(
                "ver_213_preempt", EINVAL, "bpf_throw cannot be used inside bpf_preempt_disable-ed region"
            ),
            refused("ver_213_rcu", EINVAL, "bpf_throw cannot be used inside bpf_rcu_read_lock-ed region"),
            accepted("ver_213_accepted"),
        ),
        "kernel/bpf/verifier.c, process_bpf_exit_full: check_lock of exceptions (v7.0, 6c2128505f61)",
        (
            Older(
                (7, 0),
                "before v7.0 the verifier checks open regions only in the main program (6c2128505f61, "
                "CVE-2026-31526)",
                (accepted("ver_213_preempt"), accepted("ver_213_rcu")),
                defect=True,
                since=(6, 13),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_throw", "bpf_rcu_read_lock", "bpf_preempt_disable"),
    ),
    row(
        "VER-214",
        "the verifier accepts a function that overwrites its caller's dynptr only if a clone remains",
        "leaving",
        (
            accepted("ver_214"),
            refused("ver_214_last", EINVAL, OVERWRITTEN),
            accepted("ver_214_accepted"),
        ),
        "kernel/bpf/verifier.c: clones are counted in all frames (v7.2, 2eee6fe8ac2c)",
        (
            Older(
                (7, 2),
                "before v7.2 a function cannot overwrite a dynptr of its caller (2eee6fe8ac2c)",
                (refused("ver_214", EINVAL, OVERWRITTEN),),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-215",
        "after the release in one function, the verifier rejects the use of a clone in the frame of another",
        "leaving",
        (
            refused("ver_215_clone", EINVAL, "Expected an initialized dynptr as R1"),
            refused("ver_215_original", EINVAL, "Expected an initialized dynptr as R1"),
            accepted("ver_215_accepted"),
        ),
        "kernel/bpf/verifier.c, release_reference: dynptrs in all frames (v7.2, 308c7a0ae885)",
        (
            Older(
                (7, 2),
                "before v7.2 a release ends only the clones in the frame of the released dynptr "
                "(unmark_stack_slots_dynptr; 308c7a0ae885)",
                (accepted("ver_215_clone"), accepted("ver_215_original")),
                defect=True,
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
)
