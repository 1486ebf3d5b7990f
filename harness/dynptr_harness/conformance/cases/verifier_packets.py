"""VER-220 to VER-224: changes of a packet while a reservation is held."""

from __future__ import annotations

from errno import EACCES

from dynptr_harness.conformance.experiments.verifier import Older, accepted, refused, row

ELF = ("libbpf",)
PACKET_SOURCE = "kernel/bpf/verifier.c, clear_all_pkt_pointers: only pointers into and slices of the packet"
NO_SCALAR = "invalid mem access 'scalar'"
FROM_SKB = ("bpf_dynptr_from_skb",)

CASES = (
    row(
        "VER-220",
        "the verifier accepts a slice of a reservation after a change of the packet",
        "packets",
        (
            accepted("ver_220_pull"),
            accepted("ver_220_store"),
            accepted("ver_220_xdp"),
            accepted("ver_220_global"),
        ),
        PACKET_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-221",
        "the verifier rejects a pointer into the packet after a change of the packet",
        "packets",
        (refused("ver_221", EACCES, NO_SCALAR), accepted("ver_221_accepted")),
        PACKET_SOURCE,
        loaders=ELF,
    ),
    row(
        "VER-222",
        "the verifier rejects a pointer into the packet after a global function changed the packet",
        "packets",
        (refused("ver_222", EACCES, NO_SCALAR), accepted("ver_220_global"), accepted("ver_221_accepted")),
        "kernel/bpf/verifier.c, changes_pkt_data of a global function (v6.13, 51081a3f25c7)",
        (
            Older(
                (6, 13),
                "before v6.13 the verifier ignores that a global function changes the packet (51081a3f25c7)",
                (accepted("ver_222"),),
                defect=True,
            ),
        ),
        loaders=ELF,
    ),
    row(
        "VER-223",
        "the verifier rejects a slice of the packet after a change of the packet, but not after a submit",
        "packets",
        (refused("ver_223", EACCES, NO_SCALAR), accepted("ver_223_submit"), accepted("ver_223_write")),
        "kernel/bpf/verifier.c: DYNPTR_TYPE_SKB (v6.4, b5964b968ac6)",
        loaders=ELF,
        kfuncs=FROM_SKB,
    ),
    row(
        "VER-224",
        "the verifier rejects a slice of the packet, but not of the reservation, after a write to the packet",
        "packets",
        (refused("ver_224", EACCES, NO_SCALAR), accepted("ver_224_accepted")),
        "kernel/bpf/verifier.c, BPF_FUNC_dynptr_write: changes_data (v6.4, b5964b968ac6)",
        loaders=ELF,
        kfuncs=FROM_SKB,
    ),
)
