"""VER-150 to VER-164: licences, capabilities, kernels without the helper, kernels without a compiler."""

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
    DISCARDED,
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

ENOTSUPP = 524  # of the kernel's own

LICENCE_SOURCE = "kernel/bpf/ringbuf.c and helpers.c: gpl_only is not set for helpers 134 and 198 to 203"
GATE_SOURCE = "kernel/bpf/helpers.c, bpf_base_func_proto: after the test of CAP_BPF (v6.1: bpf_capable)"
TYPE_SOURCE = (
    "kernel/bpf/syscall.c, bpf_prog_load: CAP_NET_ADMIN and CAP_PERFMON by type (v5.8, 2c78ee898d8f)"
)
HELPER_SOURCE = "the helpers came with v5.19 (97e03f521050, bc34dee65a65, 13bbbfbea759, 34d4ef5775f7)"
INTERPRETER_SOURCE = "kernel/bpf/core.c: programs are interpreted where net.core.bpf_jit_enable is 0"

INTERPRETED = {"net.core.bpf_jit_enable": 0}
WITH_HELPER, WITHOUT_HELPER = "ver_001_accepted", "ver_152_nothing"
CANNOT_USE = "program of this type cannot use helper bpf_ringbuf_reserve_dynptr#198"
UNKNOWN = "unknown func bpf_ringbuf_reserve_dynptr#198"
OLDER_WORDS = "a helper that a program may not use was called unknown before v6.12"

UNPRIVILEGED_TYPES = ("SOCKET_FILTER", "CGROUP_SKB")
# What each type demands beside CAP_BPF; EXT demands both, for it may extend a program of any.
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


def _gated(*capabilities: str, words: str = CANNOT_USE) -> Capabilities:
    """Somebody who may load such types, but not use the helper."""
    programs = tuple(
        (kind, program)
        for kind in UNPRIVILEGED_TYPES
        for program in (accepted(WITHOUT_HELPER), refused(WITH_HELPER, EINVAL, words))
    )
    return Capabilities((LimitedProcess(capabilities, programs),))


def _in_types(program: VerifierProgram, *kinds: str) -> tuple[tuple[str, VerifierProgram], ...]:
    return tuple((kind, program) for kind in kinds)


_MAY, _MAY_NOT = accepted(WITH_HELPER), refused(WITH_HELPER, EPERM)

CASES = (
    row(
        "VER-150",
        "licence",
        "a program of any licence may use the helpers, in every type that does not demand the GPL itself",
        "proprietary",
        (
            *(accepted(f"ver_150_{name}") for name in ANY_LICENCE),
            refused("ver_150_lsm", EINVAL, "LSM programs must have a GPL compatible license"),
        ),
        LICENCE_SOURCE,
        loaders=("libbpf",),
    ),
    row(
        "VER-151",
        "l kfunc",
        "a program whose licence is not compatible with the GPL may not use a kfunc",
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
        "nobody",
        "without capabilities a ring can be made, and the helper not used",
        _gated(),
        GATE_SOURCE,
        (Difference(_gated(words=UNKNOWN), OLDER_WORDS, before=(6, 12)),),
        types=ONE_TYPE,
    ),
    Case(
        "VER-153",
        "plain",
        "without capabilities bpf_ringbuf_reserve, discard and query can be used",
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
        "kernel/bpf/helpers.c, bpf_base_func_proto: before the test of CAP_BPF (v5.8, 457f44363a88)",
        types=ONE_TYPE,
        without_helper=True,
    ),
    Case(
        "VER-154",
        "PERFMON",
        "with CAP_PERFMON alone the helper cannot be used",
        _gated("PERFMON"),
        GATE_SOURCE,
        (Difference(_gated("PERFMON", words=UNKNOWN), OLDER_WORDS, before=(6, 12)),),
        types=ONE_TYPE,
    ),
    Case(
        "VER-155",
        "BPF",
        "with CAP_BPF alone the helper can be used in types that demand no more",
        Capabilities((LimitedProcess(("BPF",), _in_types(_MAY, *PLAIN_TYPES)),)),
        GATE_SOURCE,
        types=ONE_TYPE,
    ),
    Case(
        "VER-156",
        "BPF + 1",
        "types that trace demand CAP_PERFMON with CAP_BPF, types of the network CAP_NET_ADMIN",
        Capabilities(
            (
                LimitedProcess(
                    ("BPF", "PERFMON"),
                    (*_in_types(_MAY, *TRACING_TYPES), *_in_types(_MAY_NOT, *NETWORK_TYPES)),
                ),
                LimitedProcess(
                    ("BPF", "NET_ADMIN"),
                    (*_in_types(_MAY, *NETWORK_TYPES), *_in_types(_MAY_NOT, *TRACING_TYPES)),
                ),
            )
        ),
        TYPE_SOURCE,
        types=ONE_TYPE,
    ),
    Case(
        "VER-157",
        "SYS_ADMIN",
        "with CAP_SYS_ADMIN the helper can be used in every type",
        Capabilities(
            (
                LimitedProcess(
                    ("SYS_ADMIN",),
                    _in_types(_MAY, *PLAIN_TYPES, *NETWORK_TYPES, *TRACING_TYPES),
                ),
            )
        ),
        "include/linux/capability.h, bpf_capable: CAP_SYS_ADMIN implies CAP_BPF (v5.8, a17b53c4a4b5)",
        types=ONE_TYPE,
    ),
    Case(
        "VER-158",
        "disabled",
        "without capabilities nothing can be made nor loaded where unprivileged_bpf_disabled is 2",
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
                LimitedProcess(("BPF",), _in_types(_MAY, *UNPRIVILEGED_TYPES)),
            ),
            ADMINISTRATORS,
        ),
        "kernel/bpf/syscall.c, __sys_bpf (v5.13, 08389d888287)",
        types=ONE_TYPE,
    ),
    Case(
        "VER-165",
        "no type",
        "without capabilities programs of two types can be loaded, and of no other",
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
        "helpers",
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
        "plain 5.8",
        "bpf_ringbuf_reserve, discard and query are there in every kernel with ring buffers",
        "slice",
        (accepted("ver_054_accepted"), accepted("qry_009_accepted")),
        "kernel/bpf/ringbuf.c (v5.8, 457f44363a88)",
        types=ALL_TYPES,
        loaders=("bcc",),
        without_helper=True,
    ),
    row(
        "VER-162",
        "types",
        "the types that came after the ring buffer are there, or are refused without a word",
        "types",
        (
            accepted("ver_162_raw_tracepoint"),
            accepted("ver_162_syscall"),
            accepted("ver_162_lsm_cgroup"),
            accepted("ver_162_netfilter"),
        ),
        "SYSCALL v5.14 (79a7f8bdb159), LSM for a cgroup v6.0 (69fd337a975c), NETFILTER v6.4 (fd9c663b9ad6)",
        (
            Older((6, 4), "NETFILTER came with v6.4", (refused("ver_162_netfilter", EINVAL),)),
            Older(
                (5, 14),
                "SYSCALL came with v5.14, LSM for a cgroup with v6.0, NETFILTER with v6.4",
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
        "interpret",
        "the helpers do the same for a program that is interpreted",
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
        "i calls",
        "a program that is interpreted can have neither callbacks nor kfuncs",
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
