"""The program types, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from errno import EBADF
from typing import TYPE_CHECKING, Any

from dynptr_harness.protocol import kconfig, uapi

if TYPE_CHECKING:
    from collections.abc import Mapping

Version = tuple[int, int]


@dataclass(frozen=True)
class ProgType:
    """One BPF_PROG_TYPE_*, or another way to attach it.

    Attributes:
        name: without the prefix. Another way to attach a type is TYPE/way, such as XDP/generic.
        since: kernel version that added the type, or that way to attach it.
        event: the event that runs its programs in the guest, in words.
        event_sees: expected observation of the event itself in each phase: before the attach, while attached,
            and after the detach. Empty if it observes nothing.
        offers_helper: True if its programs may call the helper.
    """

    name: str
    since: Version
    event: str
    event_sees: Mapping[str, Any] = field(default_factory=dict)
    offers_helper: bool = True

    @property
    def number(self) -> int:
        """The value in enum bpf_prog_type."""
        return uapi.BpfProgType[self.name.partition("/")[0]].value

    @property
    def option(self) -> str | None:
        """The configuration option of a type that distributions often leave out, or None."""
        return kconfig.OFTEN_LEFT_OUT.get(self.name)

    @property
    def is_variant(self) -> bool:
        """True if this is not the main way to attach the type, but another one."""
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


# from the helper's page on docs.ebpf.io, 2024
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
# Hooks, the version that added them, and the event. The hook name ends with the address family.
_SOCK_ADDR_HOOKS = (
    (("bind4", "bind6"), (4, 17), "bind(2)"),
    (("connect6",), (4, 17), "connect(2)"),
    (("connect_unix",), (6, 7), "connect(2)"),
    (("getpeername4", "getpeername6"), (5, 8), "getpeername(2)"),
    (("getpeername_unix",), (6, 7), "getpeername(2)"),
    (("getsockname4", "getsockname6"), (5, 8), "getsockname(2)"),
    (("getsockname_unix",), (6, 7), "getsockname(2)"),
    (("recvmsg4", "recvmsg6"), (5, 2), "a datagram received"),
    (("recvmsg_unix",), (6, 7), "a datagram received"),
    (("sendmsg4", "sendmsg6"), (4, 18), "a datagram sent"),
    (("sendmsg_unix",), (6, 7), "a datagram sent"),
)

PROG_TYPES: tuple[ProgType, ...] = (
    ProgType("CGROUP_DEVICE", (4, 15), "open(2) of a device in the cgroup"),
    ProgType("CGROUP_SKB", (4, 10), "a UDP packet sent in the cgroup", _ARRIVES),
    ProgType("CGROUP_SOCK", (4, 10), "socket(2) in the cgroup"),
    ProgType("CGROUP_SOCKOPT", (5, 3), "setsockopt(2) in the cgroup"),
    ProgType("CGROUP_SOCK_ADDR", (4, 17), "connect(2) of a UDP socket in the cgroup"),
    ProgType(
        "CGROUP_SYSCTL",
        (5, 2),
        "a read of a file in /proc/sys in the cgroup",
        _always(read="Linux"),
    ),
    ProgType(
        "EXT",
        (5, 6),
        "BPF_PROG_RUN of the XDP program that it replaces",
        _while_attached("answer", 1, 2),  # XDP_DROP, XDP_PASS
    ),
    ProgType("FLOW_DISSECTOR", (4, 20), "a frame sent by a packet socket", _ARRIVES),
    ProgType("KPROBE", (4, 1), "getpgid(2): kprobe on the system call"),
    ProgType(
        "LIRC_MODE2",
        (4, 18),
        "none: the guest has no infrared receiver",
        offers_helper=False,
    ),
    ProgType("LSM", (5, 7), "mkdir(2): LSM hook inode_mkdir"),
    ProgType("LWT_IN", (4, 10), "a UDP packet received through a route", _ARRIVES),
    ProgType("LWT_OUT", (4, 10), "a UDP packet sent through a route", _ARRIVES),
    ProgType("LWT_SEG6LOCAL", (4, 18), "a packet at an SRv6 segment: action End.BPF", _ARRIVES),
    ProgType("LWT_XMIT", (4, 10), "a UDP packet sent through a route, at transmission", _ARRIVES),
    ProgType(
        "NETFILTER",
        (6, 4),
        "a UDP packet sent: hook NF_INET_LOCAL_OUT",
        _ARRIVES,
    ),
    ProgType("PERF_EVENT", (4, 9), "CPU time: software event cpu-clock"),
    ProgType("RAW_TRACEPOINT", (4, 17), "a process renames itself: tracepoint task_rename"),
    ProgType(
        "RAW_TRACEPOINT_WRITABLE",
        (5, 2),
        "BPF_PROG_TEST_RUN, whose result the program changes: tracepoint bpf_test_finish",
        _while_attached("test_run", 0, -86),
    ),
    ProgType("SCHED_ACT", (4, 1), "a frame sent on a device: action of a filter", _ARRIVES),
    ProgType("SCHED_CLS", (4, 1), "a frame sent on a device: filter", _ARRIVES),
    ProgType("SK_LOOKUP", (5, 9), "the socket lookup for a UDP packet", _ARRIVES),
    ProgType("SK_MSG", (4, 17), "a message sent by a TCP socket in a sockmap", _ARRIVES),
    ProgType("SK_REUSEPORT", (4, 19), "a UDP packet for a group of sockets with SO_REUSEPORT", _ARRIVES),
    ProgType("SK_SKB", (4, 14), "a message received by a TCP socket in a sockmap", _ARRIVES),
    ProgType("SOCKET_FILTER", (3, 19), "a message received by a socket", _ARRIVES),
    ProgType("SOCK_OPS", (4, 13), "listen(2) of a TCP socket in the cgroup"),
    ProgType(
        "STRUCT_OPS",
        (5, 6),
        "a socket starts to use the TCP congestion control: function init",
        _while_attached("used", silent=False, attached=True),
    ),
    ProgType(
        "SYSCALL",
        (5, 14),
        "BPF_PROG_RUN",
        _while_attached("prog_run", -EBADF, 0),
    ),
    ProgType("TRACEPOINT", (4, 7), "getpgid(2): tracepoint syscalls:sys_enter_getpgid"),
    ProgType("TRACING", (5, 5), "mkdir(2): fentry of vfs_mkdir"),
    ProgType("XDP", (4, 8), "a frame received on a device", _ARRIVES),
    # Other ways to attach these types. Older kernels refuse them with various errors.
    ProgType("CGROUP_SOCK/post_bind4", (4, 17), "bind(2) of an IPv4 socket, after it has its port"),
    ProgType("CGROUP_SOCK/post_bind6", (4, 17), "bind(2) of an IPv6 socket, after it has its port"),
    ProgType("CGROUP_SOCK/release", (5, 9), "close(2) of a socket"),
    *(
        ProgType(f"CGROUP_SOCK_ADDR/{hook}", since, f"{event}, {_FAMILIES[hook[-1]]}")
        for hooks, since, event in _SOCK_ADDR_HOOKS
        for hook in hooks
    ),
    ProgType("KPROBE/kretprobe", (4, 1), "getpgid(2): kretprobe on the system call"),
    ProgType(
        "KPROBE/multi",
        (5, 18),
        "getpgid(2): kprobe_multi link",
    ),
    ProgType("KPROBE/uprobe", (4, 3), "getpgid of the C library: uprobe"),
    ProgType("LSM/cgroup", (6, 0), "socket(2) in the cgroup: LSM hook socket_create"),
    ProgType("LSM/sleepable", (5, 11), "rmdir(2): LSM hook inode_rmdir, sleepable"),
    ProgType("PERF_EVENT/hardware", (4, 9), "CPU cycles: hardware event cpu-cycles"),
    ProgType("SCHED_CLS/tcx", (6, 6), "a frame sent on a device: tcx link", _ARRIVES),
    ProgType("SK_SKB/verdict", (5, 13), "a message received by a socket in a sockmap", _ARRIVES),
    ProgType(
        "STRUCT_OPS/bpf_dummy_ops",
        (5, 16),
        "none: the kernel has this structure for its own tests",
        offers_helper=False,
    ),
    ProgType("TRACING/fexit", (5, 5), "mkdir(2): fexit of vfs_mkdir"),
    ProgType("TRACING/fmod_ret", (5, 7), "mkdir(2): fmod_ret of security_inode_mkdir"),
    ProgType(
        "TRACING/iter",
        (5, 8),
        "a read of an iterator over maps",
        _while_attached("read", silent=None, attached=""),
    ),
    ProgType(
        "TRACING/sleepable",
        (6, 4),
        "BPF_PROG_RUN: fentry of bpf_fentry_test1, sleepable",
        _always(prog_run=0),
    ),
    ProgType("TRACING/tp_btf", (5, 5), "a process renames itself: tracepoint task_rename with BTF"),
    ProgType(
        "XDP/generic",
        (4, 12),
        "a frame received on a device: in the kernel, not in the driver",
        _ARRIVES,
    ),
)
