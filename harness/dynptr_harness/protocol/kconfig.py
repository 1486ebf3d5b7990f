"""The kernel configuration options that the harness needs: the only list of them.

The options of a program type are those of include/linux/bpf_types.h, and those that its attach and its event
need in the guest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, int]

# Options to boot in QEMU, with the module that can take their place, or '' if the option must be built in.
BOOT: dict[str, str] = {
    "CONFIG_64BIT": "",
    "CONFIG_BINFMT_ELF": "",
    "CONFIG_BINFMT_SCRIPT": "",
    "CONFIG_BLK_DEV_INITRD": "",
    "CONFIG_PRINTK": "",
    "CONFIG_TTY": "",
    "CONFIG_SERIAL_8250": "",
    "CONFIG_SERIAL_8250_CONSOLE": "",
    "CONFIG_ACPI": "",
    "CONFIG_PCI": "",
    "CONFIG_DEVTMPFS": "",
    "CONFIG_PROC_FS": "",
    "CONFIG_SYSFS": "",
    "CONFIG_TMPFS": "",
    "CONFIG_VIRTIO_PCI": "virtio_pci",
    "CONFIG_VIRTIO_BLK": "virtio_blk",
    "CONFIG_VIRTIO_CONSOLE": "virtio_console",
    "CONFIG_EROFS_FS": "erofs",
    "CONFIG_EROFS_FS_ZIP": "",
    "CONFIG_OVERLAY_FS": "overlay",
}

# Options that the agent needs for every program type.
EVERY_TYPE = (
    "CONFIG_BPF_SYSCALL",
    "CONFIG_CGROUPS",
    "CONFIG_EPOLL",
    "CONFIG_EVENTFD",
    "CONFIG_FUTEX",
    "CONFIG_MULTIUSER",
    "CONFIG_NET",
    "CONFIG_PERF_EVENTS",
    "CONFIG_POSIX_TIMERS",
    "CONFIG_PROC_SYSCTL",
    "CONFIG_SHMEM",
    "CONFIG_SIGNALFD",
    "CONFIG_TIMERFD",
    "CONFIG_UNIX",
)

# Options without which no case fails. They show more, or make a guest faster.
USEFUL = {
    "CONFIG_IKCONFIG": "the agent names the options that are missing",
    "CONFIG_IKCONFIG_PROC": "the agent names the options that are missing",
    "CONFIG_HW_RANDOM_VIRTIO": "randomness from the host",
    "CONFIG_KALLSYMS_ALL": "more symbols in a trace",
    "CONFIG_KVM_GUEST": "faster under KVM",
    "CONFIG_SMP": "concurrent reservations on two CPUs",
    "CONFIG_UNIX98_PTYS": "`dynptr-harness shell`",
}

_CGROUP = ("CONFIG_CGROUP_BPF",)
_EVENTS = ("CONFIG_BPF_EVENTS",)
_TRAMPOLINE = ("CONFIG_BPF_JIT", "CONFIG_DEBUG_INFO_BTF")
_VETH = ("CONFIG_VETH", "CONFIG_IPV6", "CONFIG_PACKET")
_INET = ("CONFIG_INET",)
_TUNNEL = ("CONFIG_LWTUNNEL_BPF", "CONFIG_INET")
_SOCKMAP = ("CONFIG_BPF_STREAM_PARSER", "CONFIG_INET")


@dataclass(frozen=True)
class TypeOptions:
    """The options of a program type.

    Attributes:
        exist: without one of them, the kernel has no such type.
        attach: further options that the attach and the event need.
    """

    exist: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()


# By program type. A way to attach a type, such as LSM/cgroup, is listed if its attach needs other options.
TYPES: dict[str, TypeOptions] = {
    "CGROUP_DEVICE": TypeOptions(_CGROUP, ("CONFIG_CGROUP_DEVICE",)),
    "CGROUP_SKB": TypeOptions(_CGROUP, _INET),
    "CGROUP_SOCK": TypeOptions(_CGROUP, _INET),
    "CGROUP_SOCKOPT": TypeOptions(_CGROUP, _INET),
    "CGROUP_SOCK_ADDR": TypeOptions(_CGROUP, _INET),
    "CGROUP_SYSCTL": TypeOptions(_CGROUP),
    "EXT": TypeOptions(("CONFIG_BPF_JIT",), ("CONFIG_DEBUG_INFO_BTF",)),
    "FLOW_DISSECTOR": TypeOptions(attach=_VETH),
    "KPROBE": TypeOptions(_EVENTS, ("CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS")),
    "KPROBE/multi": TypeOptions(attach=("CONFIG_FPROBE",)),
    "KPROBE/uprobe": TypeOptions(attach=("CONFIG_UPROBE_EVENTS",)),
    "LIRC_MODE2": TypeOptions(("CONFIG_BPF_LIRC_MODE2",)),
    "LSM": TypeOptions(("CONFIG_BPF_LSM",), _TRAMPOLINE),
    "LSM/cgroup": TypeOptions(attach=(*_TRAMPOLINE, *_CGROUP)),
    "LWT_IN": TypeOptions(attach=_TUNNEL),
    "LWT_OUT": TypeOptions(attach=_TUNNEL),
    "LWT_SEG6LOCAL": TypeOptions(attach=(*_VETH, "CONFIG_IPV6_SEG6_LWTUNNEL")),
    "LWT_XMIT": TypeOptions(attach=_TUNNEL),
    "NETFILTER": TypeOptions(("CONFIG_NETFILTER_BPF_LINK",), _INET),
    "PERF_EVENT": TypeOptions(_EVENTS),
    "RAW_TRACEPOINT": TypeOptions(_EVENTS),
    "RAW_TRACEPOINT_WRITABLE": TypeOptions(_EVENTS),
    "SCHED_ACT": TypeOptions(
        attach=(*_VETH, "CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_MATCHALL", "CONFIG_NET_ACT_BPF")
    ),
    "SCHED_CLS": TypeOptions(attach=(*_VETH, "CONFIG_NET_SCH_INGRESS", "CONFIG_NET_CLS_BPF")),
    "SCHED_CLS/tcx": TypeOptions(attach=_VETH),
    "SK_LOOKUP": TypeOptions(_INET),
    "SK_MSG": TypeOptions(attach=_SOCKMAP),
    "SK_REUSEPORT": TypeOptions(_INET),
    "SK_SKB": TypeOptions(attach=_SOCKMAP),
    "SOCKET_FILTER": TypeOptions(),
    "SOCK_OPS": TypeOptions(attach=(*_CGROUP, *_INET)),
    "STRUCT_OPS": TypeOptions(("CONFIG_BPF_JIT",), ("CONFIG_DEBUG_INFO_BTF", "CONFIG_INET")),
    "STRUCT_OPS/bpf_dummy_ops": TypeOptions(attach=("CONFIG_DEBUG_INFO_BTF",)),
    "SYSCALL": TypeOptions(),
    "TRACEPOINT": TypeOptions(_EVENTS, ("CONFIG_FTRACE_SYSCALLS",)),
    "TRACING": TypeOptions(_EVENTS, (*_TRAMPOLINE, "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS")),
    "TRACING/iter": TypeOptions(attach=("CONFIG_DEBUG_INFO_BTF",)),
    "TRACING/tp_btf": TypeOptions(attach=_TRAMPOLINE),
    "XDP": TypeOptions(attach=_VETH),
}

# Types and ways to attach that distributions leave out: a kernel without the option is no surprise, even if
# its configuration cannot be read.
OFTEN_LEFT_OUT = {
    "KPROBE/multi": "CONFIG_FPROBE",
    "LIRC_MODE2": "CONFIG_BPF_LIRC_MODE2",
    "LSM": "CONFIG_BPF_LSM",
    "NETFILTER": "CONFIG_NETFILTER_BPF_LINK",
}

# Options of every kfunc, and of single ones. x86 supports bpf_throw with the ORC unwinder only.
EVERY_KFUNC = _TRAMPOLINE
KFUNCS: dict[str, tuple[str, ...]] = {
    "bpf_dynptr_from_skb": ("CONFIG_NET",),
    "bpf_probe_read_kernel_dynptr": _EVENTS,
    "bpf_throw": ("CONFIG_UNWINDER_ORC",),
    "bpf_verify_pkcs7_signature": ("CONFIG_KEYS", "CONFIG_SYSTEM_DATA_VERIFICATION"),
}

# The version that added an option, if kernels with the helper can be older.
SINCE: dict[str, Version] = {"CONFIG_NETFILTER_BPF_LINK": (6, 4), "CONFIG_EROFS_FS_ZIP": (4, 19)}

# The options that let `make olddefconfig` keep the others: menus and dependencies.
DEPENDENCIES = (
    *("CONFIG_BLOCK", "CONFIG_BLK_DEV", "CONFIG_MISC_FILESYSTEMS", "CONFIG_VIRTIO_MENU"),
    *("CONFIG_HYPERVISOR_GUEST", "CONFIG_PARAVIRT", "CONFIG_HW_RANDOM", "CONFIG_EXPERT"),
    *("CONFIG_FILE_LOCKING", "CONFIG_ADVISE_SYSCALLS", "CONFIG_MEMBARRIER", "CONFIG_KALLSYMS"),
    *("CONFIG_SYSCTL", "CONFIG_SYSFS_SYSCALL", "CONFIG_DEBUG_FS", "CONFIG_SECURITYFS"),
    *("CONFIG_NETDEVICES", "CONFIG_NET_CORE", "CONFIG_NET_SCHED", "CONFIG_NET_CLS_ACT", "CONFIG_LWTUNNEL"),
    *("CONFIG_IPV6_MULTIPLE_TABLES", "CONFIG_IP_MULTIPLE_TABLES", "CONFIG_IP_ADVANCED_ROUTER"),
    *("CONFIG_DST_CACHE", "CONFIG_NETFILTER", "CONFIG_NETFILTER_ADVANCED", "CONFIG_NAMESPACES"),
    *("CONFIG_NET_NS", "CONFIG_USER_NS", "CONFIG_CGROUP_PIDS", "CONFIG_MEMCG", "CONFIG_SECURITY"),
    *("CONFIG_SECURITY_NETWORK", "CONFIG_SECURITY_PATH", "CONFIG_FTRACE", "CONFIG_FUNCTION_TRACER"),
    *(
        "CONFIG_DYNAMIC_FTRACE",
        "CONFIG_UPROBES",
        "CONFIG_MODULES",
        "CONFIG_MODULE_SIG",
        "CONFIG_CRYPTO",
        "CONFIG_ASYMMETRIC_KEY_TYPE",
    ),
    *(
        "CONFIG_ASYMMETRIC_PUBLIC_KEY_SUBTYPE",
        "CONFIG_X509_CERTIFICATE_PARSER",
        "CONFIG_PKCS7_MESSAGE_PARSER",
    ),
    *("CONFIG_SYSTEM_TRUSTED_KEYRING", "CONFIG_DEBUG_KERNEL", "CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT"),
    *(
        "CONFIG_INPUT",
        "CONFIG_MEDIA_SUPPORT",
        "CONFIG_RC_CORE",
        "CONFIG_LIRC",
        "CONFIG_MODULE_ALLOW_BTF_MISMATCH",
    ),
)


def base_type(prog_type: str) -> str:
    """Return the program type without the way to attach it."""
    return prog_type.partition("/")[0]


def options_of(prog_type: str) -> TypeOptions:
    """Return the options of a type, or of a way to attach it."""
    whole = TYPES[base_type(prog_type)]
    if prog_type == base_type(prog_type):
        return whole
    attach = TYPES.get(prog_type, whole).attach
    return TypeOptions(whole.exist, (*attach, "CONFIG_IPV6") if prog_type.endswith("6") else attach)


def kfunc_options(kfunc: str) -> tuple[str, ...]:
    """Return the options without which the kernel has no such kfunc."""
    return (*EVERY_KFUNC, *KFUNCS.get(kfunc, ()))


def parse(text: str) -> dict[str, str]:
    """Return the options in a kernel configuration that are set, by name: 'y', 'm' or another value.

    Args:
        text: a .config, /proc/config, or include/config/auto.conf.
    """
    return dict(re.findall(r"^(CONFIG_\w+)=(.+)$", text, re.MULTILINE))
