/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SOCK_OPS: a program on a cgroup runs on events of its TCP sockets.
 *
 * Here: a socket begins to listen. Connections have more events. It returns 1 for success.
 */
#include "dynptr_harness.h"

int sock_ops_example(struct bpf_sock_ops *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 1;
	fill_record(&record, control_page, BPF_PROG_TYPE_SOCK_OPS);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 1;
}
