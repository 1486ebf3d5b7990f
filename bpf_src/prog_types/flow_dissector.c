/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * FLOW_DISSECTOR: a program attached to a network namespace finds out what a packet is made of.
 *
 * It is asked for what the kernel must know of a packet, such as where its headers are. It answers BPF_OK and
 * has said nothing: there is no more to be known.
 */
#include "dynptr_harness.h"

int flow_dissector_example(struct __sk_buff *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return BPF_OK;
	fill_record(&record, control_page, BPF_PROG_TYPE_FLOW_DISSECTOR);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return BPF_OK;
}
