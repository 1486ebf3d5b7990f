/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * PERF_EVENT: a program on the overflow of a perf event, here the software event cpu-clock.
 *
 * The event counts in the agent's process only. A busy loop there makes it overflow.
 */
#include "dynptr_harness.h"

int perf_event_example(struct bpf_perf_event_data *ctx)
{
	struct control *control_page = claim_own_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	fill_record(&record, control_page, BPF_PROG_TYPE_PERF_EVENT);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}
