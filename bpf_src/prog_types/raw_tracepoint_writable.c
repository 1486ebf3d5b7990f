/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * RAW_TRACEPOINT_WRITABLE: a raw tracepoint whose argument the program may change.
 *
 * Here bpf_test_finish, which BPF_PROG_TEST_RUN passes on its way out, with a pointer to the result of the
 * call as its argument. Writing -86 there makes that call return -86, which proves the write.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return 0;
}

/* What BPF_PROG_TEST_RUN is asked to run, so that the tracepoint is passed: a SOCKET_FILTER. */
int test_run_target(struct __sk_buff *skb)
{
	return 0;
}
