/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * STRUCT_OPS: a program that is a function of a structure of the kernel, here of a TCP congestion control.
 *
 * The kernel calls `init` when a connection begins to use it; what the program answers is not looked at.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return 0;
}

/* The functions that a congestion control must have beside: they hold on to two packets under way. */
int struct_ops_idle(unsigned long long *ctx)
{
	return 2;
}

/* For a structure whose functions may call no helper at all, and so cannot look into the control page. */
int struct_ops_dummy_example(unsigned long long *ctx)
{
	struct bpf_dynptr ptr;

	bpf_ringbuf_reserve_dynptr(events_map(), sizeof(struct record), 0, &ptr);
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	return 0;
}
