"""The groups of the catalogue: the prefix of case IDs, with the subject of the group."""

from __future__ import annotations

GROUPS: dict[str, str] = {
    "ATT": "the example of each program type, before it is attached, while, and after",
    "AVL": "which program types may use the helper",
    "EXA": "the examples for what dynptrs are good for: sizes of the run, records in pieces",
    "RSV": "what a reservation grants and refuses, and what a refused one leaves behind",
    "CMT": "submit and discard: headers, order, what reaches the consumer",
    "QRY": "what bpf_ringbuf_query says",
    "WKP": "when a consumer is woken, as epoll and poll see it",
    "DYN": "read, write and slices of a reservation",
    "KFN": "kfuncs that take the dynptr of a reservation",
    "VER": "what the verifier must refuse, and what it must accept",
    "MAP": "making and mapping a ring",
    "OVW": "rings that overwrite their oldest records",
    "LOD": "nothing is lost under load",
    "CON": "the protocol of the consumer in user space",
}


def group_of(case_id: str) -> str:
    """Return the group of an ID, such as 'RSV' for 'RSV-011'."""
    return case_id.partition("-")[0]
