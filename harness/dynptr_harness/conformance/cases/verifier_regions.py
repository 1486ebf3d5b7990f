"""VER-230 to VER-237: reservations and sleep, RCU, preemption and interrupts."""

from __future__ import annotations

from errno import EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
RCU = ("bpf_rcu_read_lock",)
PREEMPT = ("bpf_preempt_disable",)
SLEEPS = "sleepable helper bpf_copy_from_user"
MAIN = "BPF_EXIT instruction in main prog cannot be used inside"
MESSAGE = "the log message changed with v6.13 (d402755ced2e)"

CASES = (
    row(
        "VER-230",
        "the verifier accepts a sleepable program that sleeps while it holds a reservation",
        "regions",
        (accepted("ver_230"), accepted("ver_230_into")),
        "kernel/bpf/verifier.c: a reservation is not a lock",
        loaders=ELF,
        needs_types=("LSM",),
    ),
    row(
        "VER-231",
        "the verifier rejects a sleep in an RCU critical section while a reservation is held",
        "regions",
        (refused("ver_231", EINVAL, SLEEPS), accepted("ver_231_accepted")),
        "kernel/bpf/verifier.c, active_rcu_lock (v6.2, 9bb00b2895cb)",
        loaders=ELF,
        kfuncs=RCU,
        needs_types=("LSM",),
    ),
    row(
        "VER-232",
        "the verifier accepts a reservation and its slice after the RCU critical section that made them",
        "regions",
        (accepted("ver_232"),),
        "kernel/bpf/verifier.c, bpf_rcu_read_unlock: invalidates only MEM_RCU pointers (v6.2, 9bb00b2895cb)",
        loaders=ELF,
        kfuncs=RCU,
        needs_types=("LSM",),
    ),
    row(
        "VER-233",
        "the verifier rejects a program that releases its reservation but ends in an RCU critical section",
        "regions",
        (
            refused("ver_233", EINVAL, f"{MAIN} bpf_rcu_read_lock-ed region"),
            accepted("ver_233_accepted"),
        ),
        "kernel/bpf/verifier.c, active_rcu_lock (v6.2, 9bb00b2895cb)",
        (Older((6, 13), MESSAGE, (refused("ver_233", EINVAL, "bpf_rcu_read_unlock is missing"),)),),
        loaders=ELF,
        kfuncs=RCU,
        needs_types=("LSM",),
    ),
    row(
        "VER-234",
        "the verifier rejects a sleep with preemption disabled while a reservation is held",
        "regions",
        (refused("ver_234", EINVAL, SLEEPS), accepted("ver_234_accepted")),
        "kernel/bpf/verifier.c, active_preempt_lock (v6.10, fc7566ad0a82)",
        loaders=ELF,
        kfuncs=PREEMPT,
        needs_types=("LSM",),
    ),
    row(
        "VER-235",
        "the verifier rejects a program that releases its reservation but ends with preemption disabled",
        "regions",
        (
            refused("ver_235", EINVAL, f"{MAIN} bpf_preempt_disable-ed region"),
            accepted("ver_235_accepted"),
        ),
        "kernel/bpf/verifier.c, active_preempt_lock (v6.10, fc7566ad0a82)",
        (Older((6, 13), MESSAGE, (refused("ver_235", EINVAL, "bpf_preempt_enable is missing"),)),),
        loaders=ELF,
        kfuncs=PREEMPT,
        needs_types=("LSM",),
    ),
    row(
        "VER-236",
        "with interrupts disabled, the verifier accepts a reservation but rejects a sleep or an exit",
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
        needs_types=("LSM",),
    ),
    # The program must not run: before v6.8 the ring can be freed while it sleeps.
    row(
        "VER-237",
        "the verifier accepts a sleep while a reservation in an inner ring is held",
        "regions",
        (accepted("ver_237"),),
        "kernel/bpf/syscall.c, bpf_map_free_in_work: an inner map outlives programs that sleep "
        "(v6.8, 876673364161, CVE-2023-52447)",
        loaders=ELF,
        needs_types=("LSM",),
    ),
)
