/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LIRC_MODE2: a program attached to an infrared receiver decodes what it receives.
 *
 * The type has a short list of helpers of its own, without this one: the verifier refuses the program.
 */
#include "dynptr_harness.h"

int lirc_mode2_example(unsigned int *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	fill_record(&record, control_page, BPF_PROG_TYPE_LIRC_MODE2);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return 0;
}
