/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SK_SKB: a program on a sockmap decides about the data that a socket in the map receives.
 *
 * Attach type BPF_SK_SKB_STREAM_VERDICT. It returns SK_PASS to deliver the data to the socket.
 */
#include "dynptr_harness.h"

int sk_skb_example(struct __sk_buff *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return SK_PASS;
	fill_record(&record, control_page, BPF_PROG_TYPE_SK_SKB);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return SK_PASS;
}
