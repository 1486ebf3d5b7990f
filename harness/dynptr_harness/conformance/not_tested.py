"""Rows of the catalogue without a test, each with the reason."""

from __future__ import annotations

NOT_TESTED: dict[str, str] = {
    "AVL-040": "covered by VER-004 and RSV-045: a release is owed even when the reservation failed",
    "AVL-041": "covered by RSV-011: flags must be 0",
    "AVL-042": "covered by RSV-005, RSV-009 and RSV-011: the errors are -EINVAL and -E2BIG",
    "AVL-043": "about what the helper's documentation does not say, not about a kernel",
    "AVL-044": "covered by RSV-016 and VER-160: signature and number of the helper",
    "VER-159": "a BPF token needs a BPF file system made for a user namespace; read in the source, not seen",
    "MAP-005": "no size that fits into max_entries is above that limit, which later kernels no longer have",
    "MAP-018": "a property of libbpf, not of the kernel; MAP-002 passes it by with bare system calls",
    "OVW-010": "a property of libbpf, whose consumer knows nothing of overwriting; see OVW-009",
    "CON-001": "covered by DYN-024 and MAP-033: the data is mapped twice, behind the producer's page",
    "CON-002": "covered by MAP-012: the kernel tells the size that the ring has",
    "CON-003": "covered by LOD-001: each of a million records is whole once its header says so",
    "CON-004": "covered by CMT-005: both consumers stop at a record that is still open",
    "CON-008": "covered by LOD-003: what the position does not yet cover is the same when it is read again",
    "CON-010": "positions wrap on 32-bit kernels only, which this project does not boot",
    "CON-011": "covered by RSV-021: a consumer position ahead of the producer's refuses every reservation",
    "CON-014": "covered by WKP-016: only the release of the open record wakes, and not with NO_WAKEUP",
    "CON-017": "a property of libbpf, not of the kernel: what its callback's return value does",
    "CON-020": "a property of Python on machines with weak memory order, which x86 and s390x have not",
}
