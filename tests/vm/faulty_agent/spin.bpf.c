/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Spins for years. A perf event's program runs in the interrupt of its timer, with interrupts off. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MOST (1 << 23) /* of bpf_loop: BPF_MAX_LOOPS, kernel/bpf/bpf_iter.c */

static long nothing(__u32 round, void *context)
{
	return 0;
}

static long inner(__u32 round, void *context)
{
	bpf_loop(MOST, nothing, context, 0);
	return 0;
}

SEC("perf_event")
int spin(void *context)
{
	bpf_loop(MOST, inner, 0, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
