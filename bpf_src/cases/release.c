/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The duty to release: a reservation that was asked for must be submitted or discarded on every path,
 * whether or not it was granted. Loaded into every program type, never attached or run.
 */
#include "dynptr_harness.h"

/* VER-001: reserved and forgotten. */
int ver_001(void *ctx)
{
	struct bpf_dynptr ptr;

	bpf_ringbuf_reserve_dynptr(events_map(), 8, 0, &ptr);
	return 0;
}

int ver_001_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	bpf_ringbuf_reserve_dynptr(events_map(), 8, 0, &ptr);
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	return 0;
}

/* VER-004: the habit that bpf_ringbuf_reserve allows, to return at once when there is no room. */
int ver_004(void *ctx)
{
	struct bpf_dynptr ptr;

	if (bpf_ringbuf_reserve_dynptr(events_map(), 8, 0, &ptr))
		return 0;
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	return 0;
}

int ver_004_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	if (bpf_ringbuf_reserve_dynptr(events_map(), 8, 0, &ptr)) {
		bpf_ringbuf_discard_dynptr(&ptr, 0);
		return 0;
	}
	bpf_ringbuf_submit_dynptr(&ptr, 0);
	return 0;
}
