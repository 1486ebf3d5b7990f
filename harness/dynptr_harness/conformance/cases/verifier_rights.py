"""VER-150 to VER-165: licences, capabilities, kernels without the helper, and the BPF interpreter."""

from __future__ import annotations

from errno import EINVAL, EPERM

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.capabilities import (
    ADMINISTRATORS,
    Capabilities,
    LimitedProcess,
    WithSysctl,
)
from dynptr_harness.conformance.experiments.script import (
    Access,
    Consume,
    Event,
    Peek,
    Reserve,
    Step,
    script,
)
from dynptr_harness.conformance.experiments.verifier import (
    ALL_TYPES,
    ONE_TYPE,
    HelperCall,
    Older,
    Verification,
    VerifierProgram,
    accepted,
    refused,
    row,
)
from dynptr_harness.protocol.ring import DISCARDED

ENOTSUPP = 524  # include/linux/errno.h; user space has no name for it

LICENCE_SOURCE = "kernel/bpf/ringbuf.c and helpers.c: gpl_only is not set for helpers 134 and 198 to 203"
CAPABILITY_SOURCE = (
    "kernel/bpf/helpers.c, bpf_base_func_proto: the helpers after the check of CAP_BPF (v6.1: bpf_capable)"
)
TYPE_SOURCE = (
    "kernel/bpf/syscall.c, bpf_prog_load: CAP_NET_ADMIN and CAP_PERFMON by type (v5.8, 2c78ee898d8f)"
)
HELPER_SOURCE = "the helpers were added in v5.19 (97e03f521050, bc34dee65a65, 13bbbfbea759, 34d4ef5775f7)"
INTERPRETER_SOURCE = "kernel/bpf/core.c: programs are interpreted if net.core.bpf_jit_enable is 0"

INTERPRETED = {"net.core.bpf_jit_enable": 0}
WITH_HELPER, WITHOUT_HELPER = "ver_001_accepted", "ver_152_nothing"
CANNOT_USE = "program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198"
UNKNOWN = "unknown func bpf_ringbuf_reserve_dynptr#198"
OLDER_MESSAGE = "before v6.12 the verifier log calls a disallowed helper unknown"

UNPRIVILEGED_TYPES = ("SOCKET_FILTER", "CGROUP_SKB")
# The types by the capability that they require beside CAP_BPF. EXT requires both, to extend any program.
PLAIN_TYPES = (*UNPRIVILEGED_TYPES, "SK_LOOKUP", "SK_REUSEPORT", "SYSCALL")
NETWORK_TYPES = (
    *("CGROUP_DEVICE", "CGROUP_SOCK", "CGROUP_SOCKOPT", "CGROUP_SOCK_ADDR", "CGROUP_SYSCTL"),
    *("FLOW_DISSECTOR", "LWT_IN", "LWT_OUT", "LWT_SEG6LOCAL", "LWT_XMIT"),
    *("SCHED_ACT", "SCHED_CLS", "SK_MSG", "SK_SKB", "SOCK_OPS", "XDP"),
)
TRACING_TYPES = (
    *("KPROBE", "LSM", "PERF_EVENT", "RAW_TRACEPOINT", "RAW_TRACEPOINT_WRITABLE"),
    *("STRUCT_OPS", "TRACEPOINT", "TRACING"),
)
ANY_LICENCE = (
    "raw_tracepoint",
    "tracepoint",
    "kprobe",
    "perf_event",
    "syscall",
    "socket_filter",
    "sched_cls",
    "xdp",
    "sk_msg",
    "cgroup_sock",
    "tracing",
)
HELPER_CALLS = (
    ("ver_001", 198),
    ("ver_023_submit", 199),
    ("ver_023_discard_zeroed", 200),
    ("ver_024_never_reserved", 201),
    ("ver_160_write", 202),
    ("ver_025_data_never_reserved", 203),
)


def _helper_denied(*capabilities: str, message: str = CANNOT_USE) -> Capabilities:
    """Return a process that can load programs of these types, but cannot use the helper."""
    programs = tuple(
        (kind, program)
        for kind in UNPRIVILEGED_TYPES
        for program in (accepted(WITHOUT_HELPER), refused(WITH_HELPER, EINVAL, message))
    )
    return Capabilities((LimitedProcess(capabilities, programs),))


def _in_types(program: VerifierProgram, *kinds: str) -> tuple[tuple[str, VerifierProgram], ...]:
    return tuple((kind, program) for kind in kinds)


_ALLOWED, _DENIED = accepted(WITH_HELPER), refused(WITH_HELPER, EPERM)

CASES = (
    row(
        "VER-150",
        "the verifier accepts the helpers with any licence, in every type that does not itself require the "
        "GPL",
        "proprietary",
        (
            *(accepted(f"ver_150_{name}") for name in ANY_LICENCE),
            refused("ver_150_lsm", EINVAL, "LSM programs must have a GPL compatible license"),
        ),
        LICENCE_SOURCE,
        loaders=("libbpf",),
        needs_types=("CGROUP_SOCK", "KPROBE", "LSM", "SK_MSG", "TRACING"),
    ),
    row(
        "VER-151",
        "the verifier rejects a kfunc in a program whose licence is not GPL-compatible",
        "proprietary",
        (
            refused("ver_151", EINVAL, "cannot call kernel function from non-GPL compatible program"),
            accepted("ver_150_raw_tracepoint"),
        ),
        "kernel/bpf/verifier.c, add_kfunc_call (v5.13, e6ac2450d6de)",
        loaders=("libbpf",),
        kfuncs=("bpf_dynptr_size",),
    ),
    Case(
        "VER-152",
        "without capabilities, a process can create a ring but cannot use the helper",
        _helper_denied(),
        CAPABILITY_SOURCE,
        (Difference(_helper_denied(message=UNKNOWN), OLDER_MESSAGE, before=(6, 12)),),
        types=ONE_TYPE,
    ),
    Case(
        "VER-153",
        "without capabilities, a process can use bpf_ringbuf_reserve, discard and query",
        Capabilities(
            (
                LimitedProcess(
                    (),
                    (
                        *_in_types(accepted("ver_054_accepted"), *UNPRIVILEGED_TYPES),
                        *_in_types(accepted("qry_009_accepted"), *UNPRIVILEGED_TYPES),
                    ),
                ),
            )
        ),
        "kernel/bpf/helpers.c, bpf_base_func_proto: the helpers before the check of CAP_BPF (v5.8, "
        "457f44363a88)",
        types=ONE_TYPE,
        without_helper=True,
    ),
    Case(
        "VER-154",
        "CAP_PERFMON alone does not allow the helper",
        _helper_denied("PERFMON"),
        CAPABILITY_SOURCE,
        (Difference(_helper_denied("PERFMON", message=UNKNOWN), OLDER_MESSAGE, before=(6, 12)),),
        types=ONE_TYPE,
    ),
    Case(
        "VER-155",
        "CAP_BPF alone allows the helper in types that require no other capability",
        Capabilities((LimitedProcess(("BPF",), _in_types(_ALLOWED, *PLAIN_TYPES)),)),
        CAPABILITY_SOURCE,
        types=ONE_TYPE,
    ),
    Case(
        "VER-156",
        "beside CAP_BPF, tracing types require CAP_PERFMON and network types CAP_NET_ADMIN",
        Capabilities(
            (
                LimitedProcess(
                    ("BPF", "PERFMON"),
                    (*_in_types(_ALLOWED, *TRACING_TYPES), *_in_types(_DENIED, *NETWORK_TYPES)),
                ),
                LimitedProcess(
                    ("BPF", "NET_ADMIN"),
                    (*_in_types(_ALLOWED, *NETWORK_TYPES), *_in_types(_DENIED, *TRACING_TYPES)),
                ),
            )
        ),
        TYPE_SOURCE,
        types=ONE_TYPE,
    ),
    Case(
        "VER-157",
        "CAP_SYS_ADMIN allows the helper in every type",
        Capabilities(
            (
                LimitedProcess(
                    ("SYS_ADMIN",),
                    _in_types(_ALLOWED, *PLAIN_TYPES, *NETWORK_TYPES, *TRACING_TYPES),
                ),
            )
        ),
        "include/linux/capability.h, bpf_capable: CAP_SYS_ADMIN implies CAP_BPF (v5.8, a17b53c4a4b5)",
        types=ONE_TYPE,
    ),
    Case(
        "VER-158",
        "without capabilities, a process can create no ring and load no program if "
        "unprivileged_bpf_disabled is 2",
        Capabilities(
            (
                LimitedProcess(
                    (),
                    (
                        *_in_types(refused(WITHOUT_HELPER, EPERM), *UNPRIVILEGED_TYPES),
                        *_in_types(refused(WITH_HELPER, EPERM), *UNPRIVILEGED_TYPES),
                    ),
                    ring=EPERM,
                ),
                LimitedProcess(("BPF",), _in_types(_ALLOWED, *UNPRIVILEGED_TYPES)),
            ),
            ADMINISTRATORS,
        ),
        "kernel/bpf/syscall.c, __sys_bpf (v5.13, 08389d888287)",
        types=ONE_TYPE,
    ),
    Case(
        "VER-165",
        "without capabilities, a process can load only SOCKET_FILTER and CGROUP_SKB programs",
        Capabilities(
            (
                LimitedProcess(
                    (),
                    (
                        *_in_types(accepted(WITHOUT_HELPER), *UNPRIVILEGED_TYPES),
                        *_in_types(
                            refused(WITHOUT_HELPER, EPERM),
                            *(each for each in PLAIN_TYPES if each not in UNPRIVILEGED_TYPES),
                            *NETWORK_TYPES,
                            *TRACING_TYPES,
                        ),
                    ),
                ),
            )
        ),
        TYPE_SOURCE,
        types=ONE_TYPE,
        without_helper=True,
    ),
    row(
        "VER-160",
        "the kernel knows each of the helpers 198 to 203",
        "release",
        tuple(HelperCall(*call) for call in HELPER_CALLS),
        HELPER_SOURCE,
        (Older((5, 19), HELPER_SOURCE, tuple(HelperCall(*call, known=False) for call in HELPER_CALLS)),),
        types=ALL_TYPES,
        loaders=("bcc",),
        without_helper=True,
    ),
    row(
        "VER-161",
        "bpf_ringbuf_reserve, discard and query exist in every kernel with ring buffers",
        "slice",
        (accepted("ver_054_accepted"), accepted("qry_009_accepted")),
        "kernel/bpf/ringbuf.c (v5.8, 457f44363a88)",
        types=ALL_TYPES,
        loaders=("bcc",),
        without_helper=True,
    ),
    row(
        "VER-162",
        "the kernel accepts programs of newer types, or rejects them with -EINVAL if it lacks the type",
        "types",
        (
            accepted("ver_162_raw_tracepoint"),
            accepted("ver_162_syscall"),
            accepted("ver_162_lsm_cgroup"),
            accepted("ver_162_netfilter"),
        ),
        "SYSCALL v5.14 (79a7f8bdb159), LSM for a cgroup v6.0 (69fd337a975c), NETFILTER v6.4 (fd9c663b9ad6)",
        (
            Older((6, 4), "NETFILTER was added in v6.4", (refused("ver_162_netfilter", EINVAL),)),
            Older(
                (5, 14),
                "SYSCALL was added in v5.14, LSM for a cgroup in v6.0, NETFILTER in v6.4",
                (
                    refused("ver_162_syscall", EINVAL),
                    refused("ver_162_lsm_cgroup", EINVAL),
                    refused("ver_162_netfilter", EINVAL),
                ),
            ),
        ),
        loaders=("libbpf",),
        without_helper=True,
    ),
    Case(
        "VER-163",
        "the helpers behave the same in an interpreted program",
        WithSysctl(
            INTERPRETED,
            script(
                Event(
                    (
                        Step(
                            (Reserve(16), Reserve(16, release="discard"), Reserve(8, 1, EINVAL)),
                            (
                                Access("write", 0, 16),
                                Access("read", 0, 16, data=b"interpreted here"),
                                Access("slice", 1, 8, 8),
                                Access("slice", 0, 17),
                            ),
                            b"interpreted here",
                        ),
                    )
                ),
                Peek((16, DISCARDED | 16)),
                Consume((b"interpreted here",)),
            ),
        ),
        INTERPRETER_SOURCE,
        types=ONE_TYPE,
    ),
    Case(
        "VER-164",
        "the verifier rejects callbacks and kfuncs in an interpreted program",
        WithSysctl(
            INTERPRETED,
            Verification(
                (
                    refused("ver_164_callback", EINVAL, "callbacks are not allowed in non-JITed programs"),
                    refused("ver_164_kfunc", ENOTSUPP, "JIT is required for calling kernel function"),
                    accepted("ver_164_accepted"),
                ),
                "interpreter",
                sections=True,
            ),
        ),
        "kernel/bpf/verifier.c: jit_requested in check_max_stack_depth and add_kfunc_call",
        loaders=("libbpf",),
        types=ONE_TYPE,
        kfuncs=("bpf_verify_pkcs7_signature",),
    ),
)
