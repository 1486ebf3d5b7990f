/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SK_LOOKUP: a program on a network namespace selects the socket of a packet without a connection.
 *
 * It returns SK_PASS without a selection, so the kernel selects the socket.
 */
#include "dynptr_harness.h"

int sk_lookup_example(struct bpf_sk_lookup *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return SK_PASS;
	fill_record(&record, control_page, BPF_PROG_TYPE_SK_LOOKUP);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return SK_PASS;
}
