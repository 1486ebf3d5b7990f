/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * CGROUP_SOCK: a program on a cgroup runs when one of its processes creates a socket.
 *
 * It returns 1 to allow the event.
 */
#include "dynptr_harness.h"

int cgroup_sock_example(struct bpf_sock *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 1;
	fill_record(&record, control_page, BPF_PROG_TYPE_CGROUP_SOCK);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 1;
}
