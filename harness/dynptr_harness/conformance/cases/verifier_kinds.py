"""VER-110 to VER-128, KFN-028: other dynptr types, clones, and kfuncs on a reservation."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

KIND_SOURCE = "kernel/bpf/verifier.c: the dynptr types that a release accepts"
PACKET_SOURCE = (
    "kernel/bpf/verifier.c, may_access_direct_pkt_data: it depends on the program type, not on the dynptr"
)
SLICE_SOURCE = "kernel/bpf/verifier.c, check_special_kfunc: bpf_dynptr_slice (v6.4, 66e3a13e7c2c)"
CLONE_SOURCE = "kernel/bpf/verifier.c: a clone shares the reference (v6.5, 361f129f3cc1)"
SHARED_SOURCE = "kernel/bpf/verifier.c: a dynptr may be overwritten while a clone holds the reservation"
CONST_SOURCE = "kernel/bpf/verifier.c: the dynptr that is passed to a callback is constant"

ELF = ("libbpf",)
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
OVERWRITE = "cannot overwrite referenced dynptr"
DEAD_SLICE = "invalid mem access 'scalar'"
BY_REGISTER = "between v6.17 and v7.2 the verifier log began to name arguments by register"
STATE_FIRST = "between v6.17 and v7.2 the verifier began to check the state of the dynptr first"
NO_OVERWRITE = "v6.17 allows no overwrite of a dynptr with clones; v7.2 does"

READ_ONLY_TYPES = (
    "raw_tracepoint",
    "tracepoint",
    "kprobe",
    "syscall",
    "socket_filter",
    "cgroup_skb",
    "lwt_in",
)
WRITING_TYPES = ("sched_cls", "xdp", "lwt_xmit", "sk_skb", "sk_msg", "cgroup_sockopt")

CASES = (
    row(
        "VER-110",
        "the verifier rejects a submit or discard of a dynptr to memory",
        "context",
        (
            refused("ver_110_submit", EINVAL, "Expected a dynptr of type ringbuf as R1"),
            refused("ver_110_discard", EINVAL, "Expected a dynptr of type ringbuf as R1"),
            accepted("ver_110_accepted"),
        ),
        KIND_SOURCE,
        (
            Older(
                (7, 2),
                "between v6.17 and v7.2 the verifier log began to name the expected dynptr type",
                (
                    refused("ver_110_submit", EINVAL, UNACQUIRED),
                    refused("ver_110_discard", EINVAL, UNACQUIRED),
                ),
            ),
        ),
    ),
    row(
        "VER-111",
        "the verifier rejects bpf_dynptr_slice_rdwr in program types that cannot write to packets",
        "kfuncs",
        (
            *(
                refused(f"ver_111_{name}", EINVAL, "the prog does not allow writes to packet data")
                for name in READ_ONLY_TYPES
            ),
            accepted("ver_112_sched_cls"),
        ),
        PACKET_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice_rdwr",),
    ),
    row(
        "VER-112",
        "the verifier accepts bpf_dynptr_slice_rdwr in program types that can write to packets",
        "kfuncs",
        tuple(accepted(f"ver_112_{name}") for name in WRITING_TYPES),
        PACKET_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice_rdwr",),
    ),
    row(
        "VER-113",
        "the verifier rejects a write to the slice of bpf_dynptr_slice",
        "kfuncs",
        (refused("ver_113", EACCES, "cannot write into rdonly_mem"), accepted("ver_113_accepted")),
        SLICE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice",),
    ),
    row(
        "VER-114",
        "the verifier rejects the use of a slice of bpf_dynptr_slice that was not tested for NULL",
        "kfuncs",
        (
            refused("ver_114", EACCES, "invalid mem access 'rdonly_mem_or_null'"),
            accepted("ver_113_accepted"),
        ),
        SLICE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice",),
    ),
    row(
        "VER-115",
        "the verifier rejects bpf_dynptr_slice with a variable length",
        "kfuncs",
        (
            refused("ver_115", EINVAL, "R4 must be a known constant"),
            refused("ver_115_unbounded", EINVAL, "R4 must be a known constant"),
            accepted("ver_113_accepted"),
        ),
        SLICE_SOURCE,
        (
            Older(
                (7, 3),
                "before v7.3 the verifier checks the buffer before the length",
                (refused("ver_115_unbounded", EACCES, "unbounded memory access"),),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice",),
    ),
    row(
        "VER-116",
        "after the submit, the verifier rejects the use of a slice that a kfunc returned",
        "kfuncs",
        (
            refused("ver_116_read", EACCES, DEAD_SLICE),
            refused("ver_116_write", EACCES, DEAD_SLICE),
            accepted("ver_116_read_accepted"),
            accepted("ver_112_sched_cls"),
        ),
        "kernel/bpf/verifier.c, release_reference: by parent_id (in v7.2, not in v6.17)",
        (
            Older(
                (7, 2),
                "before v7.2 the slice of a kfunc is not tied to the reservation, so a program can use it "
                "after the release",
                (accepted("ver_116_read"), accepted("ver_116_write")),
                defect=True,
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice", "bpf_dynptr_slice_rdwr"),
    ),
    row(
        "VER-117",
        "the verifier accepts the release of a reservation through its clone",
        "kfuncs",
        (accepted("ver_117"),),
        CLONE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-118",
        "the verifier rejects the release of both a reservation and its clone",
        "kfuncs",
        (refused("ver_118", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_117")),
        CLONE_SOURCE,
        (Older((7, 2), STATE_FIRST, (refused("ver_118", EINVAL, UNACQUIRED),)),),
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-119",
        "the verifier rejects a program that releases neither its reservation nor the clone",
        "kfuncs",
        (refused("ver_119", EINVAL, "Unreleased reference"), accepted("ver_117")),
        CLONE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-120",
        "the verifier rejects a clone into a dynptr that holds a reservation",
        "kfuncs",
        (refused("ver_120", EINVAL, OVERWRITE), accepted("ver_117")),
        CLONE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-121",
        "after the release of one dynptr, the verifier rejects the use of all its clones and of their slices",
        "kfuncs",
        (
            refused("ver_121_clone", EINVAL, f"{UNINITIALISED} R3"),
            refused("ver_121_original", EINVAL, f"{UNINITIALISED} R3"),
            refused("ver_121_sibling", EINVAL, f"{UNINITIALISED} R3"),
            refused("ver_121_slice_of_clone", EACCES, DEAD_SLICE),
            refused("ver_121_slice_of_original", EACCES, DEAD_SLICE),
            accepted("ver_121_accepted"),
        ),
        CLONE_SOURCE,
        (
            Older(
                (7, 2),
                BY_REGISTER,
                tuple(
                    refused(f"ver_121_{name}", EINVAL, f"{UNINITIALISED} arg #2")
                    for name in ("clone", "original", "sibling")
                ),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-122",
        "the verifier accepts an overwrite of a dynptr or its clone if the other one is released",
        "kfuncs",
        (
            accepted("ver_122_store"),
            accepted("ver_122_store_clone"),
            accepted("ver_122_reserve"),
            accepted("ver_117"),
        ),
        SHARED_SOURCE,
        (
            Older(
                (7, 2),
                NO_OVERWRITE,
                tuple(
                    refused(f"ver_122_{name}", EINVAL, OVERWRITE)
                    for name in ("store", "store_clone", "reserve")
                ),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-123",
        "the verifier rejects a program that overwrites a dynptr and also its last clone",
        "kfuncs",
        (refused("ver_123", EINVAL, OVERWRITE), accepted("ver_117")),
        SHARED_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-124",
        "after a dynptr is overwritten, the verifier rejects its slices but accepts those of its clone",
        "kfuncs",
        (
            refused("ver_124_overwritten", EACCES, DEAD_SLICE),
            accepted("ver_124_surviving"),
        ),
        SHARED_SOURCE,
        (
            Older(
                (7, 2),
                NO_OVERWRITE,
                (
                    refused("ver_124_overwritten", EINVAL, OVERWRITE),
                    refused("ver_124_surviving", EINVAL, OVERWRITE),
                ),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-125",
        "the verifier rejects a release of the dynptr that a user ring buffer passes to a callback",
        "user_ringbuf",
        (
            refused("ver_125_submit", EINVAL, "CONST_PTR_TO_DYNPTR cannot be released"),
            refused("ver_125_discard", EINVAL, "CONST_PTR_TO_DYNPTR cannot be released"),
            accepted("ver_127"),
        ),
        CONST_SOURCE,
        (
            Older(
                (7, 2),
                "the log message changed between v6.17 and v7.2",
                (
                    refused("ver_125_submit", EINVAL, "cannot release unowned const bpf_dynptr"),
                    refused("ver_125_discard", EINVAL, "cannot release unowned const bpf_dynptr"),
                ),
            ),
            Older(
                (6, 12),
                "v6.1 logs this message for every dynptr that is not a reservation",
                (
                    refused("ver_125_submit", EINVAL, UNACQUIRED),
                    refused("ver_125_discard", EINVAL, UNACQUIRED),
                ),
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-126",
        "the verifier rejects a reservation into the dynptr that a user ring buffer passes to a callback",
        "user_ringbuf",
        (
            refused("ver_126", EINVAL, "Dynptr has to be an uninitialized dynptr"),
            accepted("ver_127"),
        ),
        CONST_SOURCE,
        (
            Older(
                (6, 12),
                "v6.1 accepts it and does not track the new reservation",
                (accepted("ver_126"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-127",
        "the verifier accepts a callback that copies the dynptr of a user ring buffer into its reservation",
        "user_ringbuf",
        (accepted("ver_127"),),
        CONST_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-128",
        "the verifier accepts an adjustment of the dynptr that a user ring buffer passes to a callback",
        "user_ringbuf",
        (accepted("ver_128"), accepted("ver_127")),
        CONST_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_adjust",),
    ),
    row(
        "KFN-028",
        "the verifier accepts a reservation as the data of bpf_verify_pkcs7_signature",
        "signature",
        (accepted("kfn_028"), accepted("kfn_028_accepted")),
        "kernel/bpf/verifier.c, check_kfunc_args: any dynptr type",
        (
            Older(
                (6, 12),
                "v6.1 accepts only dynptrs to memory (kernel/bpf/btf.c)",
                (refused("kfn_028", EINVAL, "points to unsupported dynamic pointer type"),),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_verify_pkcs7_signature",),
        needs_types=("LSM",),
    ),
)
