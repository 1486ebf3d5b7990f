"""The program types, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from errno import EBADF
from typing import TYPE_CHECKING, Any

from dynptr_harness.protocol import uapi

if TYPE_CHECKING:
    from collections.abc import Mapping

Version = tuple[int, int]


@dataclass(frozen=True)
class ProgType:
    """One BPF_PROG_TYPE_*, or one of the other ways to attach it.

    Attributes:
        name: without the prefix. For another way to attach a type, followed by a slash and that way.
        since: kernel version that added the type, or that way to attach it.
        event: the event that runs its programs here, for people.
        event_sees: what the event itself must observe before the attach, while the program is attached, and
            after the detach. Empty for types whose event observes nothing.
        option: kernel configuration option of the type. A kernel without it may lack the type.
        offers_helper: True if its programs may call the helper.
    """

    name: str
    since: Version
    event: str
    event_sees: Mapping[str, Any] = field(default_factory=dict)
    option: str | None = None
    offers_helper: bool = True

    @property
    def number(self) -> int:
        """The value in enum bpf_prog_type."""
        return uapi.ProgType[self.name.partition("/")[0]].value

    @property
    def is_variant(self) -> bool:
        """True for another way to attach a type that has its own row."""
        return "/" in self.name

    @property
    def example(self) -> str:
        """Name of the example function in bpf_src/prog_types."""
        ways = {
            "LSM/cgroup": "lsm_cgroup_example",
            "STRUCT_OPS/bpf_dummy_ops": "struct_ops_dummy_example",
        }
        return ways.get(self.name, f"{self.name.partition('/')[0].lower()}_example")

    @property
    def is_listed(self) -> bool:
        """True if the helper's documentation lists the type as one that may call it."""
        return self.name.partition("/")[0] in LISTED


# docs.ebpf.io, page of the helper, in its form of 2024
LISTED = frozenset(
    {
        "CGROUP_SOCK",
        "CGROUP_SOCK_ADDR",
        "KPROBE",
        "LSM",
        "PERF_EVENT",
        "RAW_TRACEPOINT",
        "RAW_TRACEPOINT_WRITABLE",
        "SK_MSG",
        "SYSCALL",
        "TRACEPOINT",
        "TRACING",
    }
)

_PHASES = ("before", "attached", "after")


def _always(**seen: Any) -> dict[str, Any]:
    """Return an `event_sees` that is the same in all phases."""
    return dict.fromkeys(_PHASES, seen)


def _while_attached(key: str, silent: Any, attached: Any) -> dict[str, Any]:
    """Return an `event_sees` that differs while the program is attached."""
    return {phase: {key: attached if phase == "attached" else silent} for phase in _PHASES}


# A message arrives in all phases: the program lets it pass.
_ARRIVES = _always(received="message")

_FAMILIES = {"4": "IPv4", "6": "IPv6", "x": "UNIX"}
# Hooks of one kind, the version that added them, and the event, on a socket of the family in their name.
_SOCK_ADDR_HOOKS = (
    (("bind4", "bind6"), (4, 17), "a socket bound"),
    (("connect6",), (4, 17), "a socket connected"),
    (("connect_unix",), (6, 7), "a socket connected"),
    (("getpeername4", "getpeername6"), (5, 8), "a socket asked for its peer's name"),
    (("getpeername_unix",), (6, 7), "a socket asked for its peer's name"),
    (("getsockname4", "getsockname6"), (5, 8), "a socket asked for its name"),
    (("getsockname_unix",), (6, 7), "a socket asked for its name"),
    (("recvmsg4", "recvmsg6"), (5, 2), "a datagram received"),
    (("recvmsg_unix",), (6, 7), "a datagram received"),
    (("sendmsg4", "sendmsg6"), (4, 18), "a datagram sent"),
    (("sendmsg_unix",), (6, 7), "a datagram sent"),
)

PROG_TYPES: tuple[ProgType, ...] = (
    ProgType("CGROUP_DEVICE", (4, 15), "a device opened in the cgroup"),
    ProgType("CGROUP_SKB", (4, 10), "a UDP packet sent in the cgroup", _ARRIVES),
    ProgType("CGROUP_SOCK", (4, 10), "a socket made in the cgroup"),
    ProgType("CGROUP_SOCKOPT", (5, 3), "an option of a socket set in the cgroup"),
    ProgType("CGROUP_SOCK_ADDR", (4, 17), "a UDP socket connected in the cgroup"),
    ProgType(
        "CGROUP_SYSCTL",
        (5, 2),
        "a setting in /proc/sys read in the cgroup",
        _always(read="Linux"),
    ),
    ProgType(
        "EXT",
        (5, 6),
        "BPF_PROG_RUN of an XDP program that it replaces",
        _while_attached("answer", 1, 2),  # XDP_DROP, XDP_PASS
    ),
    ProgType("FLOW_DISSECTOR", (4, 20), "a frame sent by a packet socket", _ARRIVES),
    ProgType("KPROBE", (4, 1), "the system call getpgid, kprobed"),
    ProgType(
        "LIRC_MODE2",
        (4, 18),
        "nothing here: there is no infrared receiver",
        option="CONFIG_BPF_LIRC_MODE2",
        offers_helper=False,
    ),
    ProgType("LSM", (5, 7), "a folder made: LSM hook inode_mkdir", option="CONFIG_BPF_LSM"),
    ProgType("LWT_IN", (4, 10), "a UDP packet that arrives by a route", _ARRIVES),
    ProgType("LWT_OUT", (4, 10), "a UDP packet that leaves by a route", _ARRIVES),
    ProgType("LWT_SEG6LOCAL", (4, 18), "a packet at a segment of its way: action End.BPF", _ARRIVES),
    ProgType("LWT_XMIT", (4, 10), "a UDP packet that leaves by a route, at last", _ARRIVES),
    ProgType(
        "NETFILTER",
        (6, 4),
        "a UDP packet sent: hook NF_INET_LOCAL_OUT",
        _ARRIVES,
        "CONFIG_NETFILTER_BPF_LINK",
    ),
    ProgType("PERF_EVENT", (4, 9), "CPU time spent: software event cpu-clock"),
    ProgType("RAW_TRACEPOINT", (4, 17), "a process renamed: tracepoint task_rename"),
    ProgType(
        "RAW_TRACEPOINT_WRITABLE",
        (5, 2),
        "a BPF_PROG_TEST_RUN, whose result the program changes: tracepoint bpf_test_finish",
        _while_attached("test_run", 0, -86),
    ),
    ProgType("SCHED_ACT", (4, 1), "a frame that leaves a device: action of a filter", _ARRIVES),
    ProgType("SCHED_CLS", (4, 1), "a frame that leaves a device: filter", _ARRIVES),
    ProgType("SK_LOOKUP", (5, 9), "the search for the socket of a UDP packet", _ARRIVES),
    ProgType("SK_MSG", (4, 17), "a message sent by a TCP socket in a sockmap", _ARRIVES),
    ProgType("SK_REUSEPORT", (4, 19), "a UDP packet for a group of sockets on one port", _ARRIVES),
    ProgType("SK_SKB", (4, 14), "a message received by a TCP socket in a sockmap", _ARRIVES),
    ProgType("SOCKET_FILTER", (3, 19), "a message received by a socket", _ARRIVES),
    ProgType("SOCK_OPS", (4, 13), "a TCP socket in the cgroup that begins to listen"),
    ProgType(
        "STRUCT_OPS",
        (5, 6),
        "a connection that begins to use a TCP congestion control: its function init",
        _while_attached("used", silent=False, attached=True),
    ),
    ProgType(
        "SYSCALL",
        (5, 14),
        "BPF_PROG_RUN",
        _while_attached("prog_run", -EBADF, 0),
    ),
    ProgType("TRACEPOINT", (4, 7), "the system call getpgid: tracepoint syscalls:sys_enter_getpgid"),
    ProgType("TRACING", (5, 5), "a folder made: fentry of vfs_mkdir"),
    ProgType("XDP", (4, 8), "a frame that arrives at a device", _ARRIVES),
    # Other ways to attach these types. What older kernels say of them, they say in words of their own.
    ProgType("CGROUP_SOCK/post_bind4", (4, 17), "an IPv4 socket that got its port"),
    ProgType("CGROUP_SOCK/post_bind6", (4, 17), "an IPv6 socket that got its port"),
    ProgType("CGROUP_SOCK/release", (5, 9), "a socket that is closed"),
    *(
        ProgType(f"CGROUP_SOCK_ADDR/{hook}", since, f"{event}, {_FAMILIES[hook[-1]]}")
        for hooks, since, event in _SOCK_ADDR_HOOKS
        for hook in hooks
    ),
    ProgType("KPROBE/kretprobe", (4, 1), "the return from the system call getpgid"),
    ProgType(
        "KPROBE/multi",
        (5, 18),
        "the system call getpgid, by a link of kprobe.multi",
        option="CONFIG_FPROBE",
    ),
    ProgType("KPROBE/uprobe", (4, 3), "the C library's function getpgid"),
    ProgType("LSM/cgroup", (6, 0), "a socket made in the cgroup: LSM hook socket_create"),
    ProgType("LSM/sleepable", (5, 11), "a folder removed: LSM hook inode_rmdir, by a program that may sleep"),
    ProgType("PERF_EVENT/hardware", (4, 9), "CPU cycles spent: hardware event cpu-cycles"),
    ProgType("SCHED_CLS/tcx", (6, 6), "a frame that leaves a device: link of tcx", _ARRIVES),
    ProgType("SK_SKB/verdict", (5, 13), "a message received by a socket in a sockmap", _ARRIVES),
    ProgType(
        "STRUCT_OPS/bpf_dummy_ops",
        (5, 16),
        "nothing here: the kernel has the structure for its tests",
        offers_helper=False,
    ),
    ProgType("TRACING/fexit", (5, 5), "a folder made: return from vfs_mkdir"),
    ProgType("TRACING/fmod_ret", (5, 7), "a folder made: answer of security_inode_mkdir"),
    ProgType(
        "TRACING/iter",
        (5, 8),
        "an iterator over maps read",
        _while_attached("read", silent=None, attached=""),
    ),
    ProgType(
        "TRACING/sleepable",
        (6, 4),
        "BPF_PROG_RUN: fentry of bpf_fentry_test1, by a program that may sleep",
        _always(prog_run=0),
    ),
    ProgType("TRACING/tp_btf", (5, 5), "a process renamed: tracepoint task_rename, by its BTF"),
    ProgType(
        "XDP/generic",
        (4, 12),
        "a frame that arrives at a device, run by the kernel, not by the driver",
        _ARRIVES,
    ),
)
