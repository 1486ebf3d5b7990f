/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Regions that forbid sleep or preemption, around a reservation; and a ring that user space may drop. */
#include "elf_object.h"
#include "verifier.h"

extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;
extern void bpf_local_irq_save(unsigned long *flags) __ksym __weak;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym __weak;

/* A program that may sleep. It reserves, takes a slice, does something, and submits. */
#define SLEEPABLE(NAME, ACTION)                    \
	SEC("lsm.s/file_open") int NAME(void *ctx) \
	{                                          \
		struct bpf_dynptr ptr;             \
		u8 *slice, buffer[RECORD];         \
                                                   \
		KEEP(buffer);                      \
		reserve(&ptr);                     \
		slice = slice_of(&ptr);            \
		ACTION;                            \
		submit(&ptr);                      \
		return 0;                          \
	}

#define SLEEP bpf_copy_from_user(buffer, RECORD, (void *)8)

/* VER-230: sleep while a reservation is held, also into a slice of it. */
SLEEPABLE(ver_230, SLEEP)
SLEEPABLE(ver_230_into, if (slice) bpf_copy_from_user(slice, RECORD, (void *)8))

/* VER-231: sleep in an RCU critical section. */
SLEEPABLE(ver_231, bpf_rcu_read_lock(); SLEEP; bpf_rcu_read_unlock())
SLEEPABLE(ver_231_accepted, bpf_rcu_read_lock(); bpf_rcu_read_unlock(); SLEEP)

/* VER-232: the reservation and its slice outlive an RCU critical section. */
SEC("lsm.s/file_open")
int ver_232(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	bpf_rcu_read_lock();
	reserve(&ptr);
	slice = slice_of(&ptr);
	bpf_rcu_read_unlock();
	if (slice)
		STORE_AT(u8, slice, 1);
	submit(&ptr);
	return 0;
}

/* VER-233: an RCU critical section that is still open at the end of the program. */
SLEEPABLE(ver_233, bpf_rcu_read_lock())
SLEEPABLE(ver_233_accepted, bpf_rcu_read_lock(); if (slice) STORE_AT(u8, slice, 1); bpf_rcu_read_unlock())

/* VER-234: sleep where preemption is off. */
SLEEPABLE(ver_234, bpf_preempt_disable(); SLEEP; bpf_preempt_enable())
SLEEPABLE(ver_234_accepted, bpf_preempt_disable(); bpf_preempt_enable(); SLEEP)

/* VER-235: preemption that is still off at the end of the program. */
SLEEPABLE(ver_235, bpf_preempt_disable())
SLEEPABLE(ver_235_accepted, bpf_preempt_disable(); if (slice) STORE_AT(u8, slice, 1); bpf_preempt_enable())

/* VER-236: interrupts. */
SLEEPABLE(ver_236_sleep, unsigned long flags; bpf_local_irq_save(&flags); SLEEP; bpf_local_irq_restore(&flags))
SLEEPABLE(ver_236_open, unsigned long flags; bpf_local_irq_save(&flags))
SLEEPABLE(ver_236_in_dynptr, bpf_local_irq_save((void *)&ptr); bpf_local_irq_restore((void *)&ptr))

PROGRAM
int ver_236_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	unsigned long flags;

	bpf_local_irq_save(&flags);
	reserve(&ptr);
	submit(&ptr);
	bpf_local_irq_restore(&flags);
	return 0;
}

/* VER-237: the ring of a map of maps is found in one RCU critical section, and released in another. */
SEC("lsm.s/file_open")
int ver_237(void *ctx)
{
	void *ring = find_ring();
	struct bpf_dynptr ptr;
	u8 buffer[RECORD];

	KEEP(buffer);
	if (!ring)
		return 0;
	reserve_as(ring, RECORD, 0, &ptr);
	SLEEP;
	submit(&ptr);
	return 0;
}
