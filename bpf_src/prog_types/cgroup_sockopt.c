/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * CGROUP_SOCKOPT: a program attached to a cgroup is asked when a process in it sets an option of a socket.
 *
 * Attach type BPF_CGROUP_SETSOCKOPT. It answers 1: the kernel may set it.
 */
#include "dynptr_harness.h"

int cgroup_sockopt_example(struct bpf_sockopt *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 1;
	fill_record(&record, control_page, BPF_PROG_TYPE_CGROUP_SOCKOPT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return 1;
}
