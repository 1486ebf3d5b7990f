/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * RAW_TRACEPOINT_WRITABLE: a program on a raw tracepoint, with an argument that it may change.
 *
 * Here bpf_test_finish, at the end of BPF_PROG_TEST_RUN. Its argument is a pointer to the result of that call. The
 * program writes -86 there, and the call returns -86.
 */
#include "dynptr_harness.h"

#define TEST_RUN_RESULT (-86)

int raw_tracepoint_writable_example(u64 *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	*(int *)ctx[0] = TEST_RUN_RESULT;
	fill_record(&record, control_page, BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}

/* The SOCKET_FILTER program for BPF_PROG_TEST_RUN, which reaches the tracepoint. */
int test_run_target(struct __sk_buff *skb)
{
	return 0;
}
