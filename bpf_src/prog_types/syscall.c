/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SYSCALL: a program that user space runs with bpf(BPF_PROG_RUN).
 *
 * It has no other event and no attach. It must be loaded with BPF_F_SLEEPABLE.
 */
#include "dynptr_harness.h"

int syscall_example(void *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	fill_record(&record, control_page, BPF_PROG_TYPE_SYSCALL);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}
