/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * STRUCT_OPS: a program implements a function of a kernel structure, here of a TCP congestion control.
 *
 * The kernel calls `init` when a connection begins to use it, and ignores the return value.
 */
#include "dynptr_harness.h"

int struct_ops_example(unsigned long long *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	fill_record(&record, control_page, BPF_PROG_TYPE_STRUCT_OPS);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}

/* The other functions that a congestion control must have. They return a window of two packets. */
int struct_ops_idle(unsigned long long *ctx)
{
	return 2;
}

/* For bpf_dummy_ops: its functions may not call helpers, so this one does not read the control page. */
int struct_ops_dummy_example(unsigned long long *ctx)
{
	struct bpf_dynptr ptr;

	bpf_ringbuf_reserve_dynptr(events_map(), sizeof(struct record), 0, &ptr);
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	return 0;
}
