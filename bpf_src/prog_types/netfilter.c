/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * NETFILTER: a program on a netfilter hook, here for packets that this machine sends.
 *
 * It returns NF_ACCEPT to let the packet pass.
 */
#include "dynptr_harness.h"

struct bpf_nf_ctx; /* state of the hook, and the packet */

#define NF_ACCEPT 1

int netfilter_example(struct bpf_nf_ctx *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return NF_ACCEPT;
	fill_record(&record, control_page, BPF_PROG_TYPE_NETFILTER);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return NF_ACCEPT;
}
