/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SOCKET_FILTER: a program attached to a socket sees each packet that the socket is to receive.
 *
 * It answers how many bytes of it to keep; -1 is all. It runs for sockets that carry whole messages: on a
 * stream between two processes of one machine it is never run.
 */
#include "dynptr_harness.h"

int socket_filter_example(struct __sk_buff *ctx)
{
	struct control *control_page = claim_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return -1;
	fill_record(&record, control_page, BPF_PROG_TYPE_SOCKET_FILTER);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return -1;
}
