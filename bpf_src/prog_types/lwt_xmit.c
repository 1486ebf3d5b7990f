/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LWT_XMIT: a program attached to a route runs for the packets that leave by it, last of all.
 *
 * It may change them, too. It answers BPF_OK: the packet may go on.
 */
#include "dynptr_harness.h"

int lwt_xmit_example(struct __sk_buff *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return BPF_OK;
	fill_record(&record, control_page, BPF_PROG_TYPE_LWT_XMIT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return BPF_OK;
}
