/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * KPROBE: a program on the entry of a kernel function, here of the system call getpgid.
 *
 * Every process can make the call, so the program handles the events of the agent only.
 */
#include "dynptr_harness.h"

int kprobe_example(struct pt_regs *ctx)
{
	struct control *control_page = claim_own_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	fill_record(&record, control_page, BPF_PROG_TYPE_KPROBE);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}
