/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LWT_XMIT: a program on a route runs for packets that leave through it, just before the transmission.
 *
 * The program may change the packet. It returns BPF_OK to let it pass.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return BPF_OK;
}
