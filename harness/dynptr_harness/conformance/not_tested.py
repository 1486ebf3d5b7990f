"""Rows of the catalogue without a test, each with the reason."""

from __future__ import annotations

NOT_TESTED: dict[str, str] = {
    "AVL-040": "covered by VER-004 and RSV-045: a release is required even if the reservation failed",
    "AVL-041": "covered by RSV-011: flags must be 0",
    "AVL-042": "covered by RSV-005, RSV-009 and RSV-011: the errors are -EINVAL and -E2BIG",
    "AVL-043": "a gap in the helper's documentation, not a behaviour of the kernel",
    "AVL-044": "covered by RSV-016 and VER-160: signature and number of the helper",
    "VER-159": "a BPF token needs a BPF file system in a user namespace; checked in the source only",
    "MAP-005": "max_entries cannot exceed the limit RINGBUF_MAX_DATA_SZ, which later kernels do not have",
    "MAP-018": "a check of libbpf, not of the kernel; MAP-002 makes the system calls directly",
    "OVW-010": "a limit of libbpf, whose consumer ignores the overwrite position; see OVW-009",
    "CON-001": "covered by DYN-024 and MAP-033: the data is mapped twice, after the producer page",
    "CON-002": "covered by MAP-012: the kernel reports the size of the ring",
    "CON-003": "covered by LOD-001: each of a million records is complete when its header is no longer busy",
    "CON-004": "covered by CMT-005: both consumers stop at an open record",
    "CON-008": "covered by LOD-003: records after the position can be read again, unchanged",
    "CON-010": "positions overflow only on 32-bit kernels, which this project does not boot",
    "CON-011": "covered by RSV-021: a consumer position ahead of the producer makes every reservation fail",
    "CON-014": "covered by WKP-016: only the release of the open record can wake the consumer",
    "CON-017": "the return value of a consumer callback concerns libbpf, not the kernel",
    "CON-020": "memory order matters to a Python consumer only on weakly ordered CPUs, unlike x86 and s390x",
}
