"""The groups of the catalogue: the prefix of their case IDs, and their subject."""

from __future__ import annotations

GROUPS: dict[str, str] = {
    "ATT": "the example of each program type: before the attach, while attached, after the detach",
    "AVL": "the program types that can use the helper",
    "EXA": "example programs: records of variable size, records written in pieces",
    "RSV": "reservations: sizes, limits, errors, null dynptrs",
    "CMT": "submit and discard: headers, order, delivery",
    "QRY": "the results of bpf_ringbuf_query",
    "WKP": "wake-ups of the consumer, as seen by epoll and poll",
    "DYN": "reads, writes and slices of a reservation",
    "KFN": "kfuncs on the dynptr of a reservation",
    "VER": "programs that the verifier must reject or accept",
    "MAP": "creating and mapping a ring",
    "OVW": "rings that overwrite their oldest records",
    "LOD": "delivery under load, and after a stall or a killed consumer",
    "CON": "the protocol for consumers in user space",
}


def group_of(case_id: str) -> str:
    """Return the group of an ID, such as 'RSV' for 'RSV-011'."""
    return case_id.partition("-")[0]
