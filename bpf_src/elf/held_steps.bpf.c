/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A step with two reservations and pauses, in which user space looks at the ring: after the first reservation,
 * after the second one, and after the first release.
 *
 * A program cannot sleep. It spins in bpf_loop until user space, on another CPU, increments `resumed`.
 */
#include "elf_object.h"
#include "../steps.c"

#define PAUSE_NS 5000000000ULL /* three pauses are shorter than the 20 s after which the kernel reports a stall */
#define SPINS (1 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pauses);
} pauses SEC(".maps");

static inline volatile struct pauses *find_pauses(void)
{
	int zero = 0;

	return bpf_map_lookup_elem(&pauses, &zero);
}

/* Callbacks of bpf_loop. They return 1 to leave the loop. */
static long is_over(u32 _round, void *_context)
{
	volatile struct pauses *page = find_pauses();

	return !page || page->resumed >= page->reached || bpf_ktime_get_ns() > page->limit;
}

static long spin(u32 round, void *context)
{
	bpf_loop(SPINS, is_over, 0, 0);
	return is_over(round, context);
}

static inline void pause_at(enum pause place, struct step *step, struct outcome *outcome)
{
	volatile struct pauses *page = find_pauses();

	if (!page || !(step->pauses & place))
		return;
	page->limit = bpf_ktime_get_ns() + PAUSE_NS;
	page->reached++;
	bpf_loop(SPINS, spin, 0, 0);
	if (page->resumed >= page->reached)
		outcome->paused++;
}

static inline void run_held_step(void *ring, struct step *step, struct outcome *outcome)
{
	struct bpf_dynptr a, b;
	struct reservation *slots = step->slots;

	outcome->paused = 0;
	note_position(ring, &outcome->start);
	outcome->reserved[0] = reserve_dynptr(ring, slots[0].size, slots[0].flags, &a);
	note_position(ring, &outcome->after_reserve[0]);
	pause_at(AFTER_A, step, outcome);
	outcome->reserved[1] = reserve_dynptr(ring, slots[1].size, slots[1].flags, &b);
	note_position(ring, &outcome->after_reserve[1]);
	pause_at(AFTER_B, step, outcome);
	if (step->order == ORDER_BAC) {
		release(&b, &slots[1]);
		note_position(ring, &outcome->after_release[0]);
		pause_at(AFTER_RELEASE, step, outcome);
		release(&a, &slots[0]);
	} else {
		release(&a, &slots[0]);
		note_position(ring, &outcome->after_release[0]);
		pause_at(AFTER_RELEASE, step, outcome);
		release(&b, &slots[1]);
	}
	note_position(ring, &outcome->after_release[1]);
	outcome->after_release[2] = outcome->after_release[1];
}

static inline void run_held_steps(struct control *control_page)
{
	void *ring = find_ring();

	if (control_page && ring)
		run_held_step(ring, &control_page->step, &control_page->outcome);
}

STEP_PROGRAM(held_steps_own_return_0, run_held_steps(claim_own_event()), 0)
STEP_PROGRAM(held_steps_return_0, run_held_steps(claim_event()), 0)
STEP_PROGRAM(held_steps_return_1, run_held_steps(claim_event()), 1)
STEP_PROGRAM(held_steps_return_2, run_held_steps(claim_event()), 2)
