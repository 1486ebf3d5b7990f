"""Constants of the kernel's user space API, from include/uapi/linux/bpf.h."""

from __future__ import annotations

from enum import IntEnum

# The number of bpf(2), by the machine of uname(2): arch/*/include/**/unistd.h.
SYS_BPF = {"x86_64": 321, "aarch64": 280, "s390x": 351}

HELPER_RINGBUF_RESERVE_DYNPTR = 198  # BPF_FUNC_ringbuf_reserve_dynptr

BPF_F_TEST_STATE_FREQ = 1 << 3  # of BPF_PROG_LOAD
BPF_F_SLEEPABLE = 1 << 4  # of BPF_PROG_LOAD
BPF_F_MMAPABLE = 1 << 10  # of BPF_MAP_CREATE
BPF_F_RB_OVERWRITE = 1 << 19  # of BPF_MAP_CREATE, since v6.19


class BpfCommand(IntEnum):
    """The values of enum bpf_cmd that are called without libbpf."""

    MAP_CREATE = 0
    MAP_LOOKUP_ELEM = 1
    MAP_UPDATE_ELEM = 2
    MAP_DELETE_ELEM = 3
    MAP_GET_NEXT_KEY = 4
    PROG_GET_NEXT_ID = 11
    MAP_GET_NEXT_ID = 12
    MAP_FREEZE = 22
    LINK_GET_NEXT_ID = 31


class MapType(IntEnum):
    """The values of enum bpf_map_type that are used here."""

    ARRAY = 2
    PROG_ARRAY = 3
    ARRAY_OF_MAPS = 12
    STRUCT_OPS = 26
    RINGBUF = 27
    USER_RINGBUF = 31


class BpfProgType(IntEnum):
    """enum bpf_prog_type, without BPF_PROG_TYPE_UNSPEC."""

    SOCKET_FILTER = 1
    KPROBE = 2
    SCHED_CLS = 3
    SCHED_ACT = 4
    TRACEPOINT = 5
    XDP = 6
    PERF_EVENT = 7
    CGROUP_SKB = 8
    CGROUP_SOCK = 9
    LWT_IN = 10
    LWT_OUT = 11
    LWT_XMIT = 12
    SOCK_OPS = 13
    SK_SKB = 14
    CGROUP_DEVICE = 15
    SK_MSG = 16
    RAW_TRACEPOINT = 17
    CGROUP_SOCK_ADDR = 18
    LWT_SEG6LOCAL = 19
    LIRC_MODE2 = 20
    SK_REUSEPORT = 21
    FLOW_DISSECTOR = 22
    CGROUP_SYSCTL = 23
    RAW_TRACEPOINT_WRITABLE = 24
    CGROUP_SOCKOPT = 25
    TRACING = 26
    STRUCT_OPS = 27
    EXT = 28
    LSM = 29
    SK_LOOKUP = 30
    SYSCALL = 31
    NETFILTER = 32


class AttachType(IntEnum):
    """The values of enum bpf_attach_type that the guest attaches with."""

    CGROUP_INET_INGRESS = 0
    CGROUP_INET_EGRESS = 1
    CGROUP_INET_SOCK_CREATE = 2
    CGROUP_SOCK_OPS = 3
    SK_SKB_STREAM_VERDICT = 5
    CGROUP_DEVICE = 6
    SK_MSG_VERDICT = 7
    CGROUP_INET4_BIND = 8
    CGROUP_INET6_BIND = 9
    CGROUP_INET4_CONNECT = 10
    CGROUP_INET6_CONNECT = 11
    CGROUP_INET4_POST_BIND = 12
    CGROUP_INET6_POST_BIND = 13
    CGROUP_UDP4_SENDMSG = 14
    CGROUP_UDP6_SENDMSG = 15
    LIRC_MODE2 = 16
    FLOW_DISSECTOR = 17
    CGROUP_SYSCTL = 18
    CGROUP_UDP4_RECVMSG = 19
    CGROUP_UDP6_RECVMSG = 20
    CGROUP_GETSOCKOPT = 21
    CGROUP_SETSOCKOPT = 22
    TRACE_RAW_TP = 23
    TRACE_FENTRY = 24
    TRACE_FEXIT = 25
    MODIFY_RETURN = 26
    LSM_MAC = 27
    TRACE_ITER = 28
    CGROUP_INET4_GETPEERNAME = 29
    CGROUP_INET6_GETPEERNAME = 30
    CGROUP_INET4_GETSOCKNAME = 31
    CGROUP_INET6_GETSOCKNAME = 32
    CGROUP_INET_SOCK_RELEASE = 34
    SK_LOOKUP = 36
    XDP = 37
    SK_SKB_VERDICT = 38
    TRACE_KPROBE_MULTI = 42
    LSM_CGROUP = 43
    NETFILTER = 45
    TCX_EGRESS = 47
    CGROUP_UNIX_CONNECT = 49
    CGROUP_UNIX_SENDMSG = 50
    CGROUP_UNIX_RECVMSG = 51
    CGROUP_UNIX_GETPEERNAME = 52
    CGROUP_UNIX_GETSOCKNAME = 53
