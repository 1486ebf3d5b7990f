"""VER-230 to VER-237: sleep, RCU, preemption and interrupts around a reservation."""

from __future__ import annotations

from errno import EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
RCU = ("bpf_rcu_read_lock",)
PREEMPT = ("bpf_preempt_disable",)
SLEEPS = "sleepable helper bpf_copy_from_user"
MAIN = "BPF_EXIT instruction in main prog cannot be used inside"
WORDS = "the words changed with v6.13 (d402755ced2e)"

CASES = (
    row(
        "VER-230",
        "sleep",
        "a program may sleep while it holds a reservation, also in a copy into a slice",
        "regions",
        (accepted("ver_230"), accepted("ver_230_into")),
        "kernel/bpf/verifier.c: a reservation is no lock",
        loaders=ELF,
    ),
    row(
        "VER-231",
        "rcu sleep",
        "a program with a reservation cannot sleep in an RCU critical section",
        "regions",
        (refused("ver_231", EINVAL, SLEEPS), accepted("ver_231_accepted")),
        "kernel/bpf/verifier.c, active_rcu_lock (v6.2, 9bb00b2895cb)",
        loaders=ELF,
        kfuncs=RCU,
    ),
    row(
        "VER-232",
        "rcu end",
        "a reservation and its slice outlive the RCU critical section in which they were made",
        "regions",
        (accepted("ver_232"),),
        "kernel/bpf/verifier.c, bpf_rcu_read_unlock ends pointers with MEM_RCU only (v6.2, 9bb00b2895cb)",
        loaders=ELF,
        kfuncs=RCU,
    ),
    row(
        "VER-233",
        "rcu open",
        "a program that ends in an RCU critical section is refused, though it released its reservation",
        "regions",
        (
            refused("ver_233", EINVAL, f"{MAIN} bpf_rcu_read_lock-ed region"),
            accepted("ver_233_accepted"),
        ),
        "kernel/bpf/verifier.c, active_rcu_lock (v6.2, 9bb00b2895cb)",
        (Older((6, 13), WORDS, (refused("ver_233", EINVAL, "bpf_rcu_read_unlock is missing"),)),),
        loaders=ELF,
        kfuncs=RCU,
    ),
    row(
        "VER-234",
        "pre sleep",
        "a program with a reservation cannot sleep where it has disabled preemption",
        "regions",
        (refused("ver_234", EINVAL, SLEEPS), accepted("ver_234_accepted")),
        "kernel/bpf/verifier.c, active_preempt_lock (v6.10, fc7566ad0a82)",
        loaders=ELF,
        kfuncs=PREEMPT,
    ),
    row(
        "VER-235",
        "pre open",
        "a program that ends with preemption disabled is refused, though it released its reservation",
        "regions",
        (
            refused("ver_235", EINVAL, f"{MAIN} bpf_preempt_disable-ed region"),
            accepted("ver_235_accepted"),
        ),
        "kernel/bpf/verifier.c, active_preempt_lock (v6.10, fc7566ad0a82)",
        (Older((6, 13), WORDS, (refused("ver_235", EINVAL, "bpf_preempt_enable is missing"),)),),
        loaders=ELF,
        kfuncs=PREEMPT,
    ),
    row(
        "VER-236",
        "irq",
        "a program may reserve and submit with interrupts disabled, and neither sleep nor end there",
        "regions",
        (
            refused("ver_236_sleep", EINVAL, SLEEPS),
            refused("ver_236_open", EINVAL, f"{MAIN} bpf_local_irq_save-ed region"),
            refused("ver_236_in_dynptr", EINVAL, "cannot overwrite referenced dynptr"),
            accepted("ver_236_accepted"),
        ),
        "kernel/bpf/verifier.c, active_irq_id (v6.14, c8e2ee1f3df0)",
        loaders=ELF,
        kfuncs=("bpf_local_irq_save",),
    ),
    # Never run: before v6.8 the ring can be freed while the program sleeps.
    row(
        "VER-237",
        "inner",
        "a program may sleep while it holds a reservation of a ring of a map of maps",
        "regions",
        (accepted("ver_237"),),
        "kernel/bpf/syscall.c, bpf_map_free_in_work: an inner map outlives programs that sleep "
        "(v6.8, 876673364161, CVE-2023-52447)",
        loaders=ELF,
    ),
)
