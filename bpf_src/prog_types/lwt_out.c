/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LWT_OUT: a program on a route runs for packets that leave through it, before the output of the route.
 *
 * It returns BPF_OK to let the packet pass.
 */
#include "dynptr_harness.h"

int lwt_out_example(struct __sk_buff *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return BPF_OK;
	fill_record(&record, control_page, BPF_PROG_TYPE_LWT_OUT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return BPF_OK;
}
