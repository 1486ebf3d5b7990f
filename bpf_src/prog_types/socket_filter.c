/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * SOCKET_FILTER: a program on a socket runs for each packet that the socket receives.
 *
 * It returns the number of bytes to keep; -1 keeps all. It runs for datagram sockets. It never runs for a stream
 * socket between two local processes.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return -1;
}
