/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Programs that declare a licence which is not compatible with the GPL. The declaration is only a test: the licence
 * of this file is above.
 */
#define OBJECT_LICENSE "Proprietary"
#include "elf_object.h"
#include "verifier.h"

extern u64 bpf_dynptr_size(const struct bpf_dynptr *ptr) __ksym __weak;

/* VER-150: all dynptr and ring buffer helpers. */
#define ALL_HELPERS(NAME, SECTION)                                          \
	SEC(SECTION) int NAME(void *ctx)                                    \
	{                                                                   \
		struct bpf_dynptr ptr;                                      \
		u64 word = 1;                                               \
		u8 *slice;                                                  \
                                                                            \
		reserve(&ptr);                                              \
		bpf_dynptr_write(&ptr, 0, &word, sizeof(word), 0);          \
		bpf_dynptr_read(&word, sizeof(word), &ptr, 0, 0);           \
		slice = slice_of(&ptr);                                     \
		if (slice && query_as(events_map(), BPF_RB_AVAIL_DATA))     \
			submit(&ptr);                                       \
		else                                                        \
			discard(&ptr);                                      \
		return 0;                                                   \
	}

ALL_HELPERS(ver_150_raw_tracepoint, "raw_tp")
ALL_HELPERS(ver_150_tracepoint, "tracepoint")
ALL_HELPERS(ver_150_kprobe, "kprobe")
ALL_HELPERS(ver_150_perf_event, "perf_event")
ALL_HELPERS(ver_150_syscall, "syscall")
ALL_HELPERS(ver_150_socket_filter, "socket")
ALL_HELPERS(ver_150_sched_cls, "tc")
ALL_HELPERS(ver_150_xdp, "xdp")
ALL_HELPERS(ver_150_sk_msg, "sk_msg")
ALL_HELPERS(ver_150_cgroup_sock, "cgroup/sock_create")
ALL_HELPERS(ver_150_tracing, "fentry/vfs_mkdir")
ALL_HELPERS(ver_150_lsm, "lsm/inode_mkdir")

/* VER-151: a kfunc. */
PROGRAM
int ver_151(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 size;

	reserve(&ptr);
	size = bpf_dynptr_size(&ptr);
	submit(&ptr);
	return size != 0;
}
