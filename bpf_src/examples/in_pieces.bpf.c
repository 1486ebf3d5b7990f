/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A record written in pieces: one record for each writev(2), with all buffers of the call one after the other.
 *
 * The record does not fit on the stack. The program writes it to the ring buffer piece by piece. Compile it like
 * variable_size.bpf.c, which is a simpler example.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define MAX_PIECES 8
#define MAX_PIECE 128 /* bytes of a buffer that the record keeps */

/* The start of a record. The length and the bytes of each piece follow. */
struct header {
	__u32 pid;
	__u32 pieces;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

/* Context of a program on a tracepoint syscalls:sys_enter_*. */
struct sys_enter {
	__u64 unused;
	__u64 nr;
	__u64 args[6];
};

/* struct iovec of a 64-bit process */
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

	/* Read the vector only once: the process may change it meanwhile. */
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

		bpf_probe_read_user(bytes, len, (const void *)buffers[i].base); /* zeros if that fails */
		bpf_dynptr_write(&record, offset, &length, sizeof(length), 0);
		bpf_dynptr_write(&record, offset + sizeof(length), bytes, len, 0);
		offset += sizeof(length) + len;
	}
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
