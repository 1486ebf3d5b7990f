/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LWT_SEG6LOCAL: a program attached to a route runs for packets at a segment of their way (SRv6).
 *
 * Action End.BPF. It answers BPF_OK: the packet may go on to its next segment.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return BPF_OK;
}
