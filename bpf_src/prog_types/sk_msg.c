/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SK_MSG: a program on a sockmap runs for every message that a socket in the map sends.
 *
 * The program must be attached before a socket is added to the map. It returns SK_PASS to send the message.
 */
#include "dynptr_harness.h"

BPF_SOCKMAP(socks, 4);

int sk_msg_example(struct sk_msg_md *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return SK_PASS;
	fill_record(&record, control_page, BPF_PROG_TYPE_SK_MSG);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return SK_PASS;
}
