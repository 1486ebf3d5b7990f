"""VER-110 to VER-128, KFN-028: dynptrs of other kinds, clones, and what kfuncs do with a reservation."""

from __future__ import annotations

from errno import EACCES, EINVAL

from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

KIND_SOURCE = "kernel/bpf/verifier.c: which kinds of dynptr a release takes"
PACKET_SOURCE = "kernel/bpf/verifier.c, may_access_direct_pkt_data: by program type, whatever the dynptr"
SLICE_SOURCE = "kernel/bpf/verifier.c, check_special_kfunc: bpf_dynptr_slice (v6.4, 66e3a13e7c2c)"
CLONE_SOURCE = "kernel/bpf/verifier.c: a clone shares the reference (v6.5, 361f129f3cc1)"
SHARED_SOURCE = "kernel/bpf/verifier.c: a dynptr may be overwritten while a clone holds the reservation"
CONST_SOURCE = "kernel/bpf/verifier.c: the dynptr that a callback is handed is constant"

ELF = ("libbpf",)
UNACQUIRED = "arg 1 is an unacquired reference"
UNINITIALISED = "Expected an initialized dynptr as"
OVERWRITE = "cannot overwrite referenced dynptr"
DEAD_SLICE = "invalid mem access 'scalar'"
NAMED = "since v7.2 at the latest, and not in v6.17, arguments are called by their registers"
EARLIER = "since v7.2 at the latest, and not in v6.17, the state of the dynptr is looked at first"
HOLDER = "up to v6.17 at least no dynptr of a family could be overwritten; in v7.2 it can"

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
        "a dynptr to memory can be neither submitted nor discarded",
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
                "since v7.2 at the latest, and not in v6.17, the kind is named",
                (
                    refused("ver_110_submit", EINVAL, UNACQUIRED),
                    refused("ver_110_discard", EINVAL, UNACQUIRED),
                ),
            ),
        ),
    ),
    row(
        "VER-111",
        "a slice to write to is refused in types that may not write to packets",
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
        "a slice to write to is accepted in types that may write to packets",
        "kfuncs",
        tuple(accepted(f"ver_112_{name}") for name in WRITING_TYPES),
        PACKET_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice_rdwr",),
    ),
    row(
        "VER-113",
        "a slice to read from cannot be written",
        "kfuncs",
        (refused("ver_113", EACCES, "cannot write into rdonly_mem"), accepted("ver_113_accepted")),
        SLICE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice",),
    ),
    row(
        "VER-114",
        "a slice of a kfunc must be tested for NULL",
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
        "the length of a kfunc's slice must be a constant",
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
                "the buffer was looked at before the length",
                (refused("ver_115_unbounded", EACCES, "unbounded memory access"),),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice",),
    ),
    row(
        "VER-116",
        "a kfunc's slice cannot be used after the submit",
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
                "the slice of a kfunc was not tied to the reservation: it can be used when the record is no "
                "longer the program's",
                (accepted("ver_116_read"), accepted("ver_116_write")),
                defect=True,
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_dynptr_slice", "bpf_dynptr_slice_rdwr"),
    ),
    row(
        "VER-117",
        "a reservation may be released by its clone",
        "kfuncs",
        (accepted("ver_117"),),
        CLONE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-118",
        "a reservation cannot be released by its clone and itself",
        "kfuncs",
        (refused("ver_118", EINVAL, f"{UNINITIALISED} R1"), accepted("ver_117")),
        CLONE_SOURCE,
        (Older((7, 2), EARLIER, (refused("ver_118", EINVAL, UNACQUIRED),)),),
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-119",
        "a reservation with a clone is owed a release like any other",
        "kfuncs",
        (refused("ver_119", EINVAL, "Unreleased reference"), accepted("ver_117")),
        CLONE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-120",
        "nothing can be cloned into a reservation's dynptr",
        "kfuncs",
        (refused("ver_120", EINVAL, OVERWRITE), accepted("ver_117")),
        CLONE_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-121",
        "the release of one of a family ends all, and their slices",
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
                NAMED,
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
        "one of a family may be overwritten as long as another one is released",
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
                HOLDER,
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
        "the last one of a family cannot be overwritten",
        "kfuncs",
        (refused("ver_123", EINVAL, OVERWRITE), accepted("ver_117")),
        SHARED_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_clone",),
    ),
    row(
        "VER-124",
        "a slice ends with the overwritten dynptr that it is of, and lives on with the clone that it is of",
        "kfuncs",
        (
            refused("ver_124_overwritten", EACCES, DEAD_SLICE),
            accepted("ver_124_surviving"),
        ),
        SHARED_SOURCE,
        (
            Older(
                (7, 2),
                HOLDER,
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
        "a callback cannot release the dynptr that a ring of user space hands it",
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
                "the words changed after v6.17, and before v7.2",
                (
                    refused("ver_125_submit", EINVAL, "cannot release unowned const bpf_dynptr"),
                    refused("ver_125_discard", EINVAL, "cannot release unowned const bpf_dynptr"),
                ),
            ),
            Older(
                (6, 12),
                "v6.1 said it of any dynptr that is no reservation",
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
        "a callback cannot reserve into the dynptr that a ring of user space hands it",
        "user_ringbuf",
        (
            refused("ver_126", EINVAL, "Dynptr has to be an uninitialized dynptr"),
            accepted("ver_127"),
        ),
        CONST_SOURCE,
        (
            Older(
                (6, 12),
                "v6.1 let it through: the reservation that comes of it is not tracked",
                (accepted("ver_126"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-127",
        "a callback may copy what a ring of user space hands it into a reservation of its own",
        "user_ringbuf",
        (accepted("ver_127"),),
        CONST_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-128",
        "a callback may adjust the dynptr that a ring of user space hands it",
        "user_ringbuf",
        (accepted("ver_128"), accepted("ver_127")),
        CONST_SOURCE,
        loaders=ELF,
        kfuncs=("bpf_dynptr_adjust",),
    ),
    row(
        "KFN-028",
        "a reservation may be what a signature is checked of",
        "signature",
        (accepted("kfn_028"), accepted("kfn_028_accepted")),
        "kernel/bpf/verifier.c, check_kfunc_args: any kind of dynptr",
        (
            Older(
                (6, 12),
                "v6.1 took dynptrs to memory only (kernel/bpf/btf.c)",
                (refused("kfn_028", EINVAL, "points to unsupported dynamic pointer type"),),
            ),
        ),
        loaders=ELF,
        kfuncs=("bpf_verify_pkcs7_signature",),
    ),
)
