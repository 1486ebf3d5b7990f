/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A header and a payload written in pieces: what processes write by writev(2), which gathers it from several
 * buffers; a record for each call, and in it the buffers one behind the other.
 *
 * The record is longer than anything that fits on the stack: it is never put together anywhere but in the
 * ring buffer, piece by piece, each where the one before ended. Built like variable_size.bpf.c, which is the
 * simpler one to begin with.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define MAX_PIECES 8
#define MAX_PIECE 128 /* bytes of a buffer that are kept */

/* What a record begins with; for each piece, its length and its bytes follow. */
struct header {
	__u32 pid;
	__u32 pieces;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

/* What a tracepoint syscalls:sys_enter_* gives its programs. */
struct sys_enter {
	__u64 unused;
	__u64 nr;
	__u64 args[6];
};

/* struct iovec of a process with 64 bits */
struct buffer {
	__u64 base;
	__u64 len;
};

static __always_inline __u64 kept(const struct buffer *buffer)
{
	return buffer->len < MAX_PIECE ? buffer->len : MAX_PIECE;
}

SEC("tracepoint/syscalls/sys_enter_writev")
int on_writev(struct sys_enter *ctx)
{
	const struct buffer *from = (const struct buffer *)ctx->args[1];
	struct header header = { .pid = bpf_get_current_pid_tgid() >> 32 };
	struct buffer buffers[MAX_PIECES] = {};
	__u32 size = sizeof(header), offset = sizeof(header);
	char bytes[MAX_PIECE] = {};
	struct bpf_dynptr record;

	/* First how much there is: the buffers are read once, as the process may change them meanwhile. */
	for (int i = 0; i < MAX_PIECES && i < ctx->args[2]; i++) {
		if (bpf_probe_read_user(&buffers[i], sizeof(buffers[i]), &from[i]))
			break;
		size += sizeof(__u32) + kept(&buffers[i]);
		header.pieces++;
	}

	if (bpf_ringbuf_reserve_dynptr(&events, size, 0, &record)) {
		bpf_ringbuf_discard_dynptr(&record, 0);
		return 0;
	}
	bpf_dynptr_write(&record, 0, &header, sizeof(header), 0);
	for (int i = 0; i < MAX_PIECES && i < header.pieces; i++) {
		__u64 len = kept(&buffers[i]);
		__u32 length = len;

		bpf_probe_read_user(bytes, len, (const void *)buffers[i].base); /* zeros where that fails */
		bpf_dynptr_write(&record, offset, &length, sizeof(length), 0);
		bpf_dynptr_write(&record, offset + sizeof(length), bytes, len, 0);
		offset += sizeof(length) + len;
	}
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
