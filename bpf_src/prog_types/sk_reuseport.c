/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SK_REUSEPORT: a program attached to a group of sockets on one port (SO_REUSEPORT) chooses one for a packet.
 *
 * It answers SK_PASS without having chosen: then the kernel does it.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return SK_PASS;
}
