"""VER-080 to VER-089, VER-130 to VER-140: callbacks, functions, tail calls, locks, exceptions, sleepable."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.case import Splat
from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

CALLBACK_SOURCE = "kernel/bpf/verifier.c: a callback is verified with the stack of its caller"
STATIC_SOURCE = "kernel/bpf/verifier.c: a static function is verified together with its caller"
GLOBAL_SOURCE = (
    "kernel/bpf/verifier.c, btf_prepare_func_args: dynptrs for global functions (v6.8, a64bfe618665)"
)
LEAVE_SOURCE = "kernel/bpf/verifier.c, check_resource_leak: on every exit from the program"

ELF = ("libbpf",)
LEAK = "Unreleased reference"
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
NO_DYNPTR_ARGUMENT = "before v6.8 a global function cannot take a dynptr"
BY_REGISTER = "between v6.17 and v7.2 the verifier log began to name arguments by register"
STATE_FIRST = "between v6.17 and v7.2 the verifier began to check the state of the dynptr first"

# The callback's frame has no reference for a dynptr of the caller's frame. v6.12 warns about such a release.
WARNED = (
    Splat(
        "kernel/bpf/verifier.c",
        "v6.12 warns in unmark_stack_slots_dynptr that it found no reference to release; v6.16 does not",
        before=(6, 16),
        since=(6, 2),
    ),
)

CASES = (
    row(
        "VER-080",
        "the verifier accepts a callback of bpf_loop that reserves and submits",
        "callbacks",
        (accepted("ver_080"),),
        CALLBACK_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-081",
        "the verifier accepts callbacks of bpf_loop and bpf_for_each_map_elem that write to a caller's "
        "reservation",
        "callbacks",
        (accepted("ver_081_loop"), accepted("ver_081_for_each")),
        CALLBACK_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-082",
        "the verifier rejects a callback that reserves for its caller: it may never run",
        "callbacks",
        (refused("ver_082", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_081_loop")),
        CALLBACK_SOURCE,
        (
            Older((7, 2), STATE_FIRST, (refused("ver_082", EINVAL, UNACQUIRED),)),
            Older((6, 12), "v6.1 verifies the callback first", (refused("ver_082", EINVAL, LEAK),)),
        ),
        loaders=ELF,
    ),
    row(
        "VER-083",
        "the verifier rejects a submit in a callback and again after it",
        "callbacks",
        (refused("ver_083", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_081_loop")),
        CALLBACK_SOURCE,
        (Older((7, 2), STATE_FIRST, (refused("ver_083", EINVAL, UNACQUIRED),)),),
        loaders=ELF,
        splats=WARNED,
    ),
    row(
        "VER-084",
        "the verifier rejects a submit that is only in a callback: it may never run",
        "callbacks",
        (
            refused("ver_084", EINVAL, LEAK),
            refused("ver_084_stops", EINVAL, LEAK),
            accepted("ver_081_loop"),
        ),
        CALLBACK_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-085",
        "the verifier accepts a callback of a timer that reserves and submits",
        "callbacks",
        (accepted("ver_085"),),
        CALLBACK_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-086",
        "the verifier accepts static functions that reserve or submit for their caller",
        "subprograms",
        (accepted("ver_086_submit"), accepted("ver_086_reserve")),
        STATIC_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-087",
        "the verifier accepts a global function that reads and writes its caller's reservation",
        "subprograms",
        (accepted("ver_087"), accepted("ver_130_holding")),
        GLOBAL_SOURCE,
        (
            Older(
                (6, 8),
                NO_DYNPTR_ARGUMENT,
                (refused("ver_087", EACCES, "type=mem_or_null expected=fp, dynptr_ptr"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-088",
        "the verifier rejects a global function that submits its caller's reservation",
        "subprograms",
        (
            refused("ver_088_both", EINVAL, "CONST_PTR_TO_DYNPTR cannot be released"),
            refused("ver_088_callee", EINVAL, LEAK),
            accepted("ver_130_holding"),
        ),
        GLOBAL_SOURCE,
        (
            Older(
                (7, 2),
                "the log message changed between v6.17 and v7.2",
                (refused("ver_088_both", EINVAL, "cannot release unowned const bpf_dynptr"),),
            ),
            Older(
                (6, 8),
                NO_DYNPTR_ARGUMENT,
                (
                    refused("ver_088_both", EACCES, "expected=fp, dynptr_ptr"),
                    refused("ver_088_callee", EACCES, "expected=fp, dynptr_ptr"),
                ),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-089",
        "the verifier rejects a global function that reserves for its caller",
        "subprograms",
        (
            refused("ver_089", EINVAL, f"{UNINITIALISED} R1"),
            accepted("ver_130_alone"),
        ),
        GLOBAL_SOURCE,
        (
            Older(
                (7, 2),
                BY_REGISTER,
                (
                    refused(
                        "ver_089", EINVAL, f"{UNINITIALISED} arg #0", "Caller passes invalid args into func#1"
                    ),
                ),
            ),
            Older(
                (6, 8),
                NO_DYNPTR_ARGUMENT,
                (refused("ver_089", EACCES, "R4 type=mem", "expected=fp, dynptr_ptr"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-130",
        "the verifier accepts a global function with its own reservation, even if its caller holds one",
        "subprograms",
        (accepted("ver_130_alone"), accepted("ver_130_holding")),
        GLOBAL_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-131",
        "the verifier rejects other memory as the dynptr argument of a global function",
        "subprograms",
        (
            refused("ver_131", EINVAL, "R1 expected pointer to stack or const struct bpf_dynptr"),
            accepted("ver_131_accepted"),
        ),
        GLOBAL_SOURCE,
        (
            Older(
                (7, 2),
                BY_REGISTER,
                (refused("ver_131", EINVAL, "arg#0 expected pointer to stack or const struct bpf_dynptr"),),
            ),
            Older(
                (6, 8),
                NO_DYNPTR_ARGUMENT,
                (
                    refused("ver_131", EINVAL, "Caller passes invalid args"),
                    refused("ver_131_accepted", EINVAL, "Caller passes invalid args"),
                ),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-132",
        "the verifier rejects a tail call while a reservation is held",
        "surroundings",
        (refused("ver_132", EINVAL, "tail_call would lead to reference leak"), accepted("ver_133")),
        LEAVE_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-133",
        "the verifier accepts a tail call after the release",
        "surroundings",
        (accepted("ver_133"),),
        LEAVE_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-134",
        "the verifier rejects BPF_LD_ABS while a reservation is held: it may end the program",
        "surroundings",
        (
            refused("ver_134", EINVAL, "BPF_LD_[ABS|IND] would lead to reference leak"),
            accepted("ver_134_accepted"),
        ),
        LEAVE_SOURCE,
        (
            Older(
                (6, 16),
                "the log message changed between v6.12 and v6.16",
                (refused("ver_134", EINVAL, "BPF_LD_[ABS|IND] cannot be mixed with socket references"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-135",
        "the verifier rejects an exception while a reservation is held",
        "kfuncs",
        (
            refused("ver_135", EINVAL, LEAK),
            refused("ver_135_raw_tracepoint", EINVAL, LEAK),
            accepted("ver_135_accepted"),
        ),
        LEAVE_SOURCE,
        (
            Older(
                (7, 2),
                "v6.17 does not allow bpf_throw in raw tracepoints; v7.2 does",
                (
                    refused(
                        "ver_135_raw_tracepoint", EACCES, "calling kernel function bpf_throw is not allowed"
                    ),
                ),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_throw",),
    ),
    row(
        "VER-136",
        "the verifier rejects a reservation and a submit while a spin lock is held",
        "surroundings",
        (
            refused("ver_136_reserve", EINVAL, "function calls are not allowed while holding a lock"),
            refused("ver_136_submit", EINVAL, "function calls are not allowed while holding a lock"),
            accepted("ver_136_accepted"),
        ),
        "kernel/bpf/verifier.c: active_spin_lock, in later versions active_locks",
        loaders=ELF,
    ),
    row(
        "VER-137",
        "the verifier accepts a write to a slice while a spin lock is held",
        "surroundings",
        (accepted("ver_137"), accepted("ver_136_accepted")),
        "kernel/bpf/verifier.c: a store is not a function call",
        loaders=ELF,
    ),
    row(
        "VER-138",
        "the verifier accepts a reservation and a submit with an RCU read lock or with preemption disabled",
        "kfuncs",
        (accepted("ver_138_rcu"), accepted("ver_138_preempt")),
        "kernel/bpf/verifier.c: the helpers do not sleep",
        loaders=ELF,
        kfuncs=("bpf_rcu_read_lock", "bpf_preempt_disable"),
    ),
    row(
        "VER-139",
        "the verifier accepts a reservation and a submit in a sleepable program",
        "surroundings",
        (accepted("ver_139_syscall"), accepted("ver_139_lsm"), accepted("ver_139_fentry")),
        "kernel/bpf/syscall.c: BPF_F_SLEEPABLE",
        (
            Older(
                (6, 12),
                "v6.1 allows no sleepable program on bpf_fentry_test1",
                (refused("ver_139_fentry", EINVAL, "is not sleepable"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-140",
        "the verifier accepts a bounded loop that reserves and submits in each iteration",
        "context",
        (accepted("ver_140"),),
        "kernel/bpf/verifier.c: bounded loops (v5.3)",
    ),
)
