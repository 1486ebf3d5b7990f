"""VER-080 to VER-089, VER-130 to VER-140: callbacks, functions, tail calls, locks, exceptions, sleep."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.case import Splat
from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

CALLBACK_SOURCE = "kernel/bpf/verifier.c: a callback is walked with the stack of its caller"
STATIC_SOURCE = "kernel/bpf/verifier.c: a static function is walked with its caller"
GLOBAL_SOURCE = (
    "kernel/bpf/verifier.c, btf_prepare_func_args: dynptrs for global functions (v6.8, a64bfe618665)"
)
LEAVE_SOURCE = "kernel/bpf/verifier.c, check_resource_leak: a way out of the program"

ELF = ("libbpf",)
LEAK = "Unreleased reference"
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
EARLIER = "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first"

# A release of what a caller's frame holds is no reference of the callback's frame, and v6.12 warns of that.
WARNED = (
    Splat(
        "kernel/bpf/verifier.c",
        "v6.12 warns in unmark_stack_slots_dynptr that there was no reference to release; v6.16 does not",
        before=(6, 16),
        since=(6, 2),
    ),
)

CASES = (
    row(
        "VER-080",
        "a callback of bpf_loop may reserve and submit",
        "callbacks",
        (accepted("ver_080"),),
        CALLBACK_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-081",
        "callbacks of bpf_loop and for_each_map_elem may write to the reservation of their caller",
        "callbacks",
        (accepted("ver_081_loop"), accepted("ver_081_for_each")),
        CALLBACK_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-082",
        "a callback cannot reserve for its caller: it may never be called",
        "callbacks",
        (refused("ver_082", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_081_loop")),
        CALLBACK_SOURCE,
        (
            Older((7, 2), EARLIER, (refused("ver_082", EINVAL, UNACQUIRED),)),
            Older((6, 12), "v6.1 walks the callback first", (refused("ver_082", EINVAL, LEAK),)),
        ),
        loaders=ELF,
    ),
    row(
        "VER-083",
        "a reservation cannot be submitted in a callback and after it",
        "callbacks",
        (refused("ver_083", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_081_loop")),
        CALLBACK_SOURCE,
        (Older((7, 2), EARLIER, (refused("ver_083", EINVAL, UNACQUIRED),)),),
        loaders=ELF,
        splats=WARNED,
    ),
    row(
        "VER-084",
        "a reservation submitted in a callback only is refused: the callback may never be called",
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
        "the callback of a timer may reserve and submit",
        "callbacks",
        (accepted("ver_085"),),
        CALLBACK_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-086",
        "static functions may submit, and reserve, for their caller",
        "subprograms",
        (accepted("ver_086_submit"), accepted("ver_086_reserve")),
        STATIC_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-087",
        "a global function may read and write the reservation of its caller",
        "subprograms",
        (accepted("ver_087"), accepted("ver_130_holding")),
        GLOBAL_SOURCE,
        (
            Older(
                (6, 8),
                "before v6.8 no global function could take a dynptr",
                (refused("ver_087", EACCES, "type=mem_or_null expected=fp, dynptr_ptr"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-088",
        "a global function cannot submit the reservation of its caller",
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
                "the words changed after v6.17, and before v7.2",
                (refused("ver_088_both", EINVAL, "cannot release unowned const bpf_dynptr"),),
            ),
            Older(
                (6, 8),
                "before v6.8 no global function could take a dynptr",
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
        "a global function cannot reserve for its caller",
        "subprograms",
        (
            refused("ver_089", EINVAL, f"{UNINITIALISED} R1"),
            accepted("ver_130_alone"),
        ),
        GLOBAL_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, arguments are called by their registers",
                (
                    refused(
                        "ver_089", EINVAL, f"{UNINITIALISED} arg #0", "Caller passes invalid args into func#1"
                    ),
                ),
            ),
            Older(
                (6, 8),
                "before v6.8 no global function could take a dynptr",
                (refused("ver_089", EACCES, "R4 type=mem", "expected=fp, dynptr_ptr"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-130",
        "a global function may reserve and submit, also while its caller holds a reservation",
        "subprograms",
        (accepted("ver_130_alone"), accepted("ver_130_holding")),
        GLOBAL_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-131",
        "a global function that takes a dynptr cannot be given other memory",
        "subprograms",
        (
            refused("ver_131", EINVAL, "R1 expected pointer to stack or const struct bpf_dynptr"),
            accepted("ver_131_accepted"),
        ),
        GLOBAL_SOURCE,
        (
            Older(
                (7, 2),
                "since v7.2 at the latest, and not in v6.17, arguments are called by their registers",
                (refused("ver_131", EINVAL, "arg#0 expected pointer to stack or const struct bpf_dynptr"),),
            ),
            Older(
                (6, 8),
                "before v6.8 no global function could take a dynptr",
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
        "no tail call while a reservation is held",
        "surroundings",
        (refused("ver_132", EINVAL, "tail_call would lead to reference leak"), accepted("ver_133")),
        LEAVE_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-133",
        "a tail call after the release",
        "surroundings",
        (accepted("ver_133"),),
        LEAVE_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-134",
        "no packet is read in the old way while a reservation is held: that can leave the program",
        "surroundings",
        (
            refused("ver_134", EINVAL, "BPF_LD_[ABS|IND] would lead to reference leak"),
            accepted("ver_134_accepted"),
        ),
        LEAVE_SOURCE,
        (
            Older(
                (6, 16),
                "the words changed between v6.12 and v6.16",
                (refused("ver_134", EINVAL, "BPF_LD_[ABS|IND] cannot be mixed with socket references"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-135",
        "no exception while a reservation is held",
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
                "raw tracepoints could not throw in v6.17; in v7.2 they can",
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
        "nothing is reserved or submitted with a spin lock held",
        "surroundings",
        (
            refused("ver_136_reserve", EINVAL, "function calls are not allowed while holding a lock"),
            refused("ver_136_submit", EINVAL, "function calls are not allowed while holding a lock"),
            accepted("ver_136_accepted"),
        ),
        "kernel/bpf/verifier.c: active_spin_lock, and active_locks of later versions",
        loaders=ELF,
    ),
    row(
        "VER-137",
        "a slice may be written with a spin lock held",
        "surroundings",
        (accepted("ver_137"), accepted("ver_136_accepted")),
        "kernel/bpf/verifier.c: a store is no call",
        loaders=ELF,
    ),
    row(
        "VER-138",
        "a program may reserve and submit where it has forbidden itself to sleep or to be preempted",
        "kfuncs",
        (accepted("ver_138_rcu"), accepted("ver_138_preempt")),
        "kernel/bpf/verifier.c: the helpers do not sleep",
        loaders=ELF,
        kfuncs=("bpf_rcu_read_lock", "bpf_preempt_disable"),
    ),
    row(
        "VER-139",
        "a program that may sleep may reserve and submit",
        "surroundings",
        (accepted("ver_139_syscall"), accepted("ver_139_lsm"), accepted("ver_139_fentry")),
        "kernel/bpf/syscall.c: BPF_F_SLEEPABLE",
        (
            Older(
                (6, 12),
                "bpf_fentry_test1 could not be the target of a program that may sleep",
                (refused("ver_139_fentry", EINVAL, "is not sleepable"),),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-140",
        "a bounded loop may reserve and submit each time",
        "context",
        (accepted("ver_140"),),
        "kernel/bpf/verifier.c: bounded loops (v5.3)",
    ),
)
