/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A step with one reservation and one access, bpf_dynptr_slice_rdwr. It is a separate program, because only
 * program types that may write to packets can load it.
 */
#include "elf_object.h"
#include "../steps.c"

extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *ptr, u64 offset, void *buffer, u64 size) __ksym
	__weak;

static inline s64 write_by_kfunc(struct bpf_dynptr *ptr, struct access *access, u8 *payload)
{
	u64 buffer = 0;
	u8 *slice = bpf_dynptr_slice_rdwr ? bpf_dynptr_slice_rdwr(ptr, access->offset, &buffer, 8) : 0;

	if (!slice)
		return 0;
	__builtin_memcpy(slice, payload, 8);
	return 1;
}

static inline void run_rdwr_step(void *ring, struct step *step, struct outcome *outcome)
{
	struct reservation *slot = &step->slots[0];
	struct bpf_dynptr ptr;

	note_position(ring, &outcome->start);
	outcome->reserved[0] = reserve_dynptr(ring, slot->size, slot->flags, &ptr);
	note_position(ring, &outcome->after_reserve[0]);
	outcome->accessed[0] = write_by_kfunc(&ptr, &step->accesses[0], step->payload);
	release(&ptr, slot);
	note_position(ring, &outcome->after_release[0]);
	outcome->after_release[1] = outcome->after_release[2] = outcome->after_release[0];
}

static inline void run_rdwr_steps(struct control *control_page)
{
	void *ring = find_ring();

	if (control_page && ring)
		run_rdwr_step(ring, &control_page->step, &control_page->outcome);
}

STEP_PROGRAM(rdwr_steps_return_0, run_rdwr_steps(claim_event()), 0)
STEP_PROGRAM(rdwr_steps_return_1, run_rdwr_steps(claim_event()), 1)
STEP_PROGRAM(rdwr_steps_return_2, run_rdwr_steps(claim_event()), 2)
