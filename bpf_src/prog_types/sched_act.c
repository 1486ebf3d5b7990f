/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SCHED_ACT: a program as an action of traffic control, here for packets that leave a network device.
 *
 * A filter of another kind selects the packets. The program returns TC_ACT_OK to let the packet pass.
 */
#include "dynptr_harness.h"

#define TC_ACT_OK 0

int sched_act_example(struct __sk_buff *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return TC_ACT_OK;
	fill_record(&record, control_page, BPF_PROG_TYPE_SCHED_ACT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return TC_ACT_OK;
}
