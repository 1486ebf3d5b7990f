/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The conformance program: does the steps that the agent wrote into the control page, and notes there what
 * the helpers answered. It is the same for every program type, but for what a program may return.
 */
#include "dynptr_harness.h"

/* Declared with 64 bit arguments: the helper takes what is in the register, and a test may want all of it. */
static long (*reserve_dynptr)(void *ringbuf, u64 size, u64 flags, struct bpf_dynptr *ptr) =
	(void *)BPF_FUNC_ringbuf_reserve_dynptr;

/* Does one step. Whatever happens to the reservation, the dynptr is released: the verifier insists. */
static inline void run_step(void *ring, struct step *step, struct outcome *outcome)
{
	struct bpf_dynptr ptr;
	u32 len = step->payload_len;

	if (len > MAX_PAYLOAD)
		len = MAX_PAYLOAD;
	outcome->producer_before = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
	outcome->reserved = reserve_dynptr(ring, step->size, step->flags, &ptr);
	outcome->producer_reserved = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
	outcome->written = bpf_dynptr_write(&ptr, 0, step->payload, len, 0);
	outcome->read = bpf_dynptr_read(outcome->readback, len, &ptr, 0, 0);
	outcome->slice = bpf_dynptr_data(&ptr, 0, 0) ? 1 : 0;
	if (step->release == DISCARD)
		bpf_ringbuf_discard_dynptr(&ptr, step->release_flags);
	else
		bpf_ringbuf_submit_dynptr(&ptr, step->release_flags);
	outcome->producer_released = bpf_ringbuf_query(ring, BPF_RB_PROD_POS);
}

static inline void run_steps(struct control *control_page)
{
	int zero = 0;
	void *ring = rings.lookup(&zero);

	if (!control_page || !ring)
		return;
	/* A loop that the verifier walks, not one that clang unrolls: a fifth of the code to compile. */
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < MAX_STEPS; i++) {
		if (i < control_page->step_cnt)
			run_step(ring, &control_page->steps[i], &control_page->outcomes[i]);
	}
}

/* For types whose programs answer 0 where all is well. */
int steps_return_0(void *ctx)
{
	run_steps(claim_own_event());
	return 0;
}

/* For types whose programs answer 1 to let an event pass. */
int steps_return_1(void *ctx)
{
	run_steps(claim_own_event());
	return 1;
}
