"""The kfuncs that the programs of bpf_src/elf call."""

from __future__ import annotations

# The version of the kernel that added each.
KFUNCS: dict[str, tuple[int, int]] = {
    "bpf_dynptr_adjust": (6, 5),
    "bpf_dynptr_clone": (6, 5),
    "bpf_dynptr_copy": (6, 15),
    "bpf_dynptr_from_skb": (6, 4),
    "bpf_dynptr_is_null": (6, 5),
    "bpf_dynptr_is_rdonly": (6, 5),
    "bpf_dynptr_memset": (6, 17),
    "bpf_dynptr_size": (6, 5),
    "bpf_dynptr_slice": (6, 4),
    "bpf_dynptr_slice_rdwr": (6, 4),
    "bpf_preempt_disable": (6, 10),
    "bpf_probe_read_kernel_dynptr": (6, 16),
    "bpf_rcu_read_lock": (6, 2),
    "bpf_throw": (6, 7),
    "bpf_verify_pkcs7_signature": (6, 1),
}
