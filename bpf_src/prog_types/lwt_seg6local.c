/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LWT_SEG6LOCAL: a program on a route runs for packets at a segment of their path (SRv6).
 *
 * Action End.BPF. It returns BPF_OK to forward the packet to its next segment.
 */
#include "dynptr_harness.h"

int lwt_seg6local_example(struct __sk_buff *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return BPF_OK;
	fill_record(&record, control_page, BPF_PROG_TYPE_LWT_SEG6LOCAL);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return BPF_OK;
}
