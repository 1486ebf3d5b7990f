"""The program types that the harness knows, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Version = tuple[int, int]


@dataclass(frozen=True)
class ProgType:
    """One BPF_PROG_TYPE_*.

    Attributes:
        name: without the prefix.
        number: value in enum bpf_prog_type.
        since: kernel that brought the type.
        event: what fires its programs here, for people.
        event_sees: what the event itself must see before the program is attached, while, and after;
            only for types whose event can tell.
    """

    name: str
    number: int
    since: Version
    event: str
    event_sees: Mapping[str, Any] = field(default_factory=dict)


# BPF_PROG_RUN on a descriptor that is not open: -EBADF
_NOTHING_TO_RUN = {"prog_run": -9}

PROG_TYPES: tuple[ProgType, ...] = (
    ProgType("CGROUP_SOCK", 9, (4, 10), "a socket made in the cgroup"),
    ProgType("CGROUP_SOCK_ADDR", 18, (4, 17), "a UDP socket connected in the cgroup"),
    ProgType("KPROBE", 2, (4, 1), "the system call getpgid, kprobed"),
    ProgType("LSM", 29, (5, 7), "a folder made: LSM hook inode_mkdir"),
    ProgType("PERF_EVENT", 7, (4, 9), "CPU time spent: software event cpu-clock"),
    ProgType("RAW_TRACEPOINT", 17, (4, 17), "a process renamed: tracepoint task_rename"),
    ProgType(
        "RAW_TRACEPOINT_WRITABLE",
        24,
        (5, 2),
        "a BPF_PROG_TEST_RUN, whose result the program changes: tracepoint bpf_test_finish",
        {"before": {"test_run": 0}, "attached": {"test_run": -86}, "after": {"test_run": 0}},
    ),
    ProgType(
        "SK_MSG",
        16,
        (4, 17),
        "a message sent by a TCP socket in a sockmap",
        {phase: {"received": "message"} for phase in ("before", "attached", "after")},
    ),
    ProgType(
        "SYSCALL",
        31,
        (5, 14),
        "BPF_PROG_RUN",
        {"before": _NOTHING_TO_RUN, "attached": {"prog_run": 0}, "after": _NOTHING_TO_RUN},
    ),
    ProgType("TRACEPOINT", 5, (4, 7), "the system call getpgid: tracepoint syscalls:sys_enter_getpgid"),
    ProgType("TRACING", 26, (5, 5), "a folder made: fentry of vfs_mkdir"),
)
