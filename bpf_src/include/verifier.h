/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Building blocks of the programs for the verifier. These programs are loaded, but never attached: some of them
 * are unsafe, and old kernels accept them.
 */
#ifndef VERIFIER_H
#define VERIFIER_H

#include "dynptr_harness.h"

#define RECORD 8 /* bytes of a reservation */

/* With 64-bit arguments, so that clang does not truncate them. */
static long (*reserve_as)(void *ringbuf, u64 size, u64 flags, void *ptr) =
	(void *)BPF_FUNC_ringbuf_reserve_dynptr;
static void (*submit_as)(void *ptr, u64 flags) = (void *)BPF_FUNC_ringbuf_submit_dynptr;
static void *(*data_as)(void *ptr, u64 offset, u64 len) = (void *)BPF_FUNC_dynptr_data;
static long (*output)(void *ringbuf, void *data, u64 size, u64 flags) = (void *)BPF_FUNC_ringbuf_output;
static void *(*reserve_plain)(void *ringbuf, u64 size, u64 flags) = (void *)BPF_FUNC_ringbuf_reserve;
static void (*discard_plain)(void *data, u64 flags) = (void *)BPF_FUNC_ringbuf_discard;
static u64 (*query_as)(void *ringbuf, u64 flags) = (void *)BPF_FUNC_ringbuf_query;
static void *(*lookup)(void *map, void *key) = (void *)BPF_FUNC_map_lookup_elem;

static inline long reserve(void *ptr)
{
	return reserve_as(events_map(), RECORD, 0, ptr);
}

static inline void submit(void *ptr)
{
	submit_as(ptr, 0);
}

static inline void discard(struct bpf_dynptr *ptr)
{
	bpf_ringbuf_discard_dynptr(ptr, 0);
}

static inline u8 *slice_of(struct bpf_dynptr *ptr)
{
	return bpf_dynptr_data(ptr, 0, RECORD);
}

/* Return a number. The verifier knows only that it has 32 bits. */
static inline u32 unknown(void)
{
	return bpf_get_prandom_u32();
}

/* Define a program that reserves, does ACTION, and submits. */
#define WHILE_HELD(NAME, ACTION)        \
	PROGRAM int NAME(void *ctx)     \
	{                               \
		struct bpf_dynptr ptr;  \
                                        \
		reserve(&ptr);          \
		ACTION;                 \
		submit(&ptr);           \
		return 0;               \
	}

/* Define a program that reserves, submits, and does ACTION. */
#define AFTER_RELEASE(NAME, ACTION)     \
	PROGRAM int NAME(void *ctx)     \
	{                               \
		struct bpf_dynptr ptr;  \
                                        \
		reserve(&ptr);          \
		submit(&ptr);           \
		ACTION;                 \
		return 0;               \
	}

/* A store that clang does not change: the verifier's answer depends on the instruction. */
#define STORE_AT(TYPE, ADDRESS, VALUE) \
	asm volatile("*(" #TYPE " *)(%0 + 0) = %1" : : "r"(ADDRESS), "r"((u64)(VALUE)) : "memory")

/* Use a value, so that clang does not optimise it away. */
#define KEEP(VALUE) asm volatile("" : : "r"(VALUE) : "memory")

/* An address on the stack, relative to its end. The program must have no variables on the stack. */
#define STACK(OFFSET)                                                \
	({                                                           \
		u8 *address;                                         \
		asm("%0 = r10; %0 += " #OFFSET : "=r"(address));     \
		address;                                             \
	})

#endif
