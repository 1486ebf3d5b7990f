/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Records of variable size: one record for each write(2), with the bytes that the process writes.
 *
 * The size for bpf_ringbuf_reserve() must be a constant, so a program must always reserve space for the longest
 * record. bpf_ringbuf_reserve_dynptr() takes a variable size.
 *
 * Requirements: the headers of libbpf (Debian: libbpf-dev) and Linux 5.19 or later.
 *
 *	clang -O2 -g -target bpf -mcpu=v3 -idirafter/usr/include/$(uname -m)-linux-gnu \
 *		-c variable_size.bpf.c
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define LIMIT 256 /* bytes of a write that a record keeps; the buffer is on the stack, which has 512 bytes */

/* The start of a record. `kept` bytes follow. */
struct header {
	__u32 pid;
	__u32 kept;
	__u64 written; /* bytes that the process wanted to write */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024); /* bytes: a power of two and a multiple of the page size */
} events SEC(".maps");

/* Context of a program on a tracepoint syscalls:sys_enter_*. */
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
	char bytes[LIMIT] = {}; /* before Linux 6.3, a helper may read initialised bytes only */
	struct bpf_dynptr record;
	__u64 size = ctx->args[2];

	barrier_var(size); /* otherwise clang limits a copy, and the verifier does not know the limit */
	if (size > LIMIT)
		size = LIMIT;
	if (bpf_probe_read_user(bytes, size, from)) /* invalid address */
		size = 0;
	header.kept = size;

	/* From here on, every path must submit or discard the record, even if there is no room for it. */
	if (bpf_ringbuf_reserve_dynptr(&events, sizeof(header) + size, 0, &record)) {
		bpf_ringbuf_discard_dynptr(&record, 0);
		return 0;
	}
	bpf_dynptr_write(&record, 0, &header, sizeof(header), 0);
	bpf_dynptr_write(&record, sizeof(header), bytes, size, 0);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
