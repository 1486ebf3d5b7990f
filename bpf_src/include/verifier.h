/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The few words that the programs for the verifier are made of. They are loaded at most, never attached:
 * some of them are unsafe, and an old kernel takes them.
 */
#ifndef VERIFIER_H
#define VERIFIER_H

#include "dynptr_harness.h"

#define RECORD 8 /* bytes of most reservations */

/* With 64 bit arguments, so that clang does not cut off what a program wants to pass. */
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

/* A number of which the verifier knows nothing but that it has 32 bits. */
static inline u32 unknown(void)
{
	return bpf_get_prandom_u32();
}

/* A program that reserves, does something, and submits. */
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

/* A program that reserves, submits, and then does something. */
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

/* Stores that clang must not change: the verifier's answer depends on the instruction. */
#define STORE_AT(TYPE, ADDRESS, VALUE) \
	asm volatile("*(" #TYPE " *)(%0 + 0) = %1" : : "r"(ADDRESS), "r"((u64)(VALUE)) : "memory")

/* Like memory to read, for what clang must not do without. */
#define KEEP(VALUE) asm volatile("" : : "r"(VALUE) : "memory")

/* A place on the stack. A program that uses it leaves the stack to itself, and has no variables there. */
#define STACK(OFFSET)                                                \
	({                                                           \
		u8 *address;                                         \
		asm("%0 = r10; %0 += " #OFFSET : "=r"(address));     \
		address;                                             \
	})

#endif
