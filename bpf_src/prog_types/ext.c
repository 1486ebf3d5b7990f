/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * EXT: a program replaces a function of another program, here an XDP program.
 *
 * The verifier treats it like that function. It returns XDP_PASS; the replaced program returns XDP_DROP.
 */
#include "dynptr_harness.h"

int ext_example(struct xdp_md *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return XDP_PASS;
	fill_record(&record, control_page, BPF_PROG_TYPE_EXT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return XDP_PASS;
}
