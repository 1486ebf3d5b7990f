/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Spins for years. The program of a perf event runs in a timer interrupt, with interrupts off. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_LOOPS (1 << 23) /* BPF_MAX_LOOPS in kernel/bpf/bpf_iter.c */

static long nothing(__u32 round, void *context)
{
	return 0;
}

static long inner(__u32 round, void *context)
{
	bpf_loop(MAX_LOOPS, nothing, context, 0);
	return 0;
}

SEC("perf_event")
int spin(void *context)
{
	bpf_loop(MAX_LOOPS, inner, 0, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
