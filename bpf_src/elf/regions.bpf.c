/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reservations in regions that forbid sleep, and in sleepable programs. */
#include "elf_object.h"
#include "verifier.h"

extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;
extern void bpf_local_irq_save(unsigned long *flags) __ksym __weak;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym __weak;

/* Define a sleepable program that reserves, gets a slice, does ACTION, and submits. */
#define SLEEPABLE(NAME, ACTION)                    \
	SEC("lsm.s/file_open") int NAME(void *ctx) \
	{                                          \
		struct bpf_dynptr ptr;             \
		u8 *slice, buffer[RECORD];         \
                                                   \
		KEEP(buffer);                      \
		reserve(&ptr);                     \
		slice = slice_of(&ptr);            \
		(void)slice;                       \
		ACTION;                            \
		submit(&ptr);                      \
		return 0;                          \
	}

#define SLEEP bpf_copy_from_user(buffer, RECORD, (void *)8)

/* VER-230: sleep while a reservation is held, and in a copy to its slice. */
SLEEPABLE(ver_230, SLEEP)
SLEEPABLE(ver_230_into, if (slice) bpf_copy_from_user(slice, RECORD, (void *)8))

/* VER-231: sleep in an RCU critical section. */
SLEEPABLE(ver_231, bpf_rcu_read_lock(); SLEEP; bpf_rcu_read_unlock())
SLEEPABLE(ver_231_accepted, bpf_rcu_read_lock(); bpf_rcu_read_unlock(); SLEEP)

/* VER-232: a reservation and its slice after the end of the RCU critical section. */
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

/* VER-233: the end of the program in an RCU critical section. */
SLEEPABLE(ver_233, bpf_rcu_read_lock())
SLEEPABLE(ver_233_accepted, bpf_rcu_read_lock(); if (slice) STORE_AT(u8, slice, 1); bpf_rcu_read_unlock())

/* VER-234: sleep with preemption disabled. */
SLEEPABLE(ver_234, bpf_preempt_disable(); SLEEP; bpf_preempt_enable())
SLEEPABLE(ver_234_accepted, bpf_preempt_disable(); bpf_preempt_enable(); SLEEP)

/* VER-235: the end of the program with preemption disabled. */
SLEEPABLE(ver_235, bpf_preempt_disable())
SLEEPABLE(ver_235_accepted, bpf_preempt_disable(); if (slice) STORE_AT(u8, slice, 1); bpf_preempt_enable())

/* VER-236: sleep, the end of the program and a reservation with interrupts disabled. */
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

/* VER-237: sleep while a reservation in an inner ring is held. User space may replace the ring. */
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
