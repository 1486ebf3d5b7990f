/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LIRC_MODE2: a program decodes the signals of an infrared receiver.
 *
 * The type does not offer the helper, so the verifier rejects the program.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}
