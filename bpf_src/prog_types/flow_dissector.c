/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * FLOW_DISSECTOR: a program on a network namespace dissects packets.
 *
 * It could report the layout of a packet to the kernel, such as the offsets of its headers. It reports nothing and
 * returns BPF_OK.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return BPF_OK;
}
