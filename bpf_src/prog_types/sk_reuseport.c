/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SK_REUSEPORT: a program on a group of sockets with one port (SO_REUSEPORT) selects one for a packet.
 *
 * It returns SK_PASS without a selection, so the kernel selects the socket.
 */
#include "dynptr_harness.h"

int sk_reuseport_example(struct sk_reuseport_md *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return SK_PASS;
	fill_record(&record, control_page, BPF_PROG_TYPE_SK_REUSEPORT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return SK_PASS;
}
