/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Records whose size only the run knows: what processes write, a record for each write(2).
 *
 * bpf_ringbuf_reserve() takes no size but a constant, so that a program which uses it must reserve as much as
 * the longest record needs, every time. A dynptr is reserved for as much as there is.
 *
 * It takes nothing but the headers of libbpf (Debian: libbpf-dev) and a kernel since 5.19:
 *
 *	clang -O2 -g -target bpf -mcpu=v3 -idirafter/usr/include/$(uname -m)-linux-gnu \
 *		-c variable_size.bpf.c
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define LIMIT 256 /* bytes of a write that are kept; they pass through the stack, which has 512 */

/* What a record begins with; `kept` bytes follow. */
struct header {
	__u32 pid;
	__u32 kept;
	__u64 written; /* what the process wanted to write */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024); /* bytes: a power of two, and whole pages */
} events SEC(".maps");

/* What a tracepoint syscalls:sys_enter_* gives its programs. */
struct sys_enter {
	__u64 unused;
	__u64 nr;
	__u64 args[6];
};

SEC("tracepoint/syscalls/sys_enter_write")
int on_write(struct sys_enter *ctx)
{
	const void *from = (const void *)ctx->args[1];
	struct header header = {
		.pid = bpf_get_current_pid_tgid() >> 32,
		.written = ctx->args[2],
	};
	char bytes[LIMIT] = {}; /* before 6.3 the verifier wants all of it written that a helper may read */
	struct bpf_dynptr record;
	__u64 size = ctx->args[2];

	barrier_var(size); /* or clang bounds a copy, of which the verifier learns nothing */
	if (size > LIMIT)
		size = LIMIT;
	if (bpf_probe_read_user(bytes, size, from)) /* an address that the process does not have */
		size = 0;
	header.kept = size;

	/* From here on the record must be submitted or discarded, on every path, even if there is no room. */
	if (bpf_ringbuf_reserve_dynptr(&events, sizeof(header) + size, 0, &record)) {
		bpf_ringbuf_discard_dynptr(&record, 0);
		return 0;
	}
	bpf_dynptr_write(&record, 0, &header, sizeof(header), 0);
	bpf_dynptr_write(&record, sizeof(header), bytes, size, 0);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
