/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * TRACEPOINT: a program on a static tracepoint, here syscalls:sys_enter_getpgid.
 *
 * Every process can make the call, so the program handles the events of the agent only.
 */
#include "dynptr_harness.h"

int tracepoint_example(void *ctx)
{
	struct control *control_page = claim_own_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	fill_record(&record, control_page, BPF_PROG_TYPE_TRACEPOINT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}
