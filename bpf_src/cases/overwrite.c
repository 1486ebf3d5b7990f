/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Accesses to the stack slots of a dynptr while it holds a reservation. The stores are in assembly: the verifier's
 * answer depends on their width and value.
 */
#include "verifier.h"

/* VER-090: a second reservation into the same dynptr, without and with a release before. */
WHILE_HELD(ver_090, reserve(&ptr))
WHILE_HELD(ver_090_accepted, submit(&ptr); reserve(&ptr))

/* VER-091: a reservation into a dynptr to memory, which needs no release. */
PROGRAM
int ver_091(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr;

	if (!memory)
		return 0;
	bpf_dynptr_from_mem(memory, 8, 0, &ptr);
	reserve(&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_091_accepted(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr, local;

	if (!memory)
		return 0;
	bpf_dynptr_from_mem(memory, 8, 0, &local);
	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* VER-092: a dynptr to memory replaces a reservation. */
PROGRAM
int ver_092(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr;

	if (!memory)
		return 0;
	reserve(&ptr);
	bpf_dynptr_from_mem(memory, 8, 0, &ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_092_accepted(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr;

	if (!memory)
		return 0;
	reserve(&ptr);
	submit(&ptr);
	bpf_dynptr_from_mem(memory, 8, 0, &ptr);
	return 0;
}

/* VER-093: a reservation overlaps the second half of another one. */
PROGRAM
int ver_093(void *ctx)
{
	u64 slots[3];

	reserve(slots);
	reserve(slots + 1);
	submit(slots + 1);
	submit(slots);
	return 0;
}

PROGRAM
int ver_093_accepted(void *ctx)
{
	u64 slots[4];

	reserve(slots);
	reserve(slots + 2);
	submit(slots + 2);
	submit(slots);
	return 0;
}

/* A store into the second half, then a dynptr to memory there. The first half is read as a reservation. */
PROGRAM
int ver_093_type(void *ctx)
{
	void *memory = find_control();
	u64 slots[3], word;

	if (!memory)
		return 0;
	reserve(slots);
	STORE_AT(u64, slots + 1, 0);
	bpf_dynptr_from_mem(memory, 8, 0, (void *)(slots + 1));
	bpf_dynptr_read(&word, sizeof(word), (void *)slots, 0, 0);
	submit(slots);
	return 0;
}

/* VER-094: reservations into the same dynptr in a loop. */
PROGRAM
int ver_094(void *ctx)
{
	struct bpf_dynptr ptr;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 3; i++)
		reserve(&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_094_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 3; i++) {
		reserve(&ptr);
		submit(&ptr);
	}
	return 0;
}

/* VER-095 to VER-097: stores into the first and the second half. The twins store after the release. */
WHILE_HELD(ver_095_zero, STORE_AT(u64, &ptr, 0))
WHILE_HELD(ver_095_unknown, STORE_AT(u64, &ptr, bpf_ktime_get_ns()))
WHILE_HELD(ver_096, STORE_AT(u64, &ptr, 1))
WHILE_HELD(ver_097_byte, STORE_AT(u8, (u8 *)&ptr + 8, 1))
WHILE_HELD(ver_097_word, STORE_AT(u64, (u8 *)&ptr + 8, 0))
AFTER_RELEASE(ver_095_accepted, STORE_AT(u64, &ptr, bpf_ktime_get_ns()))
AFTER_RELEASE(ver_096_accepted, STORE_AT(u64, &ptr, 1))
AFTER_RELEASE(ver_097_accepted, STORE_AT(u8, (u8 *)&ptr + 8, 1))

/* Return the sum. clang does not change this addition. */
static inline u8 *moved(void *address, u64 by)
{
	asm("%0 += %1" : "+r"(address) : "r"(by));
	return address;
}

/* VER-098: a store at a variable offset that can hit the dynptr. */
PROGRAM
int ver_098(void *ctx)
{
	struct {
		u64 before;
		struct bpf_dynptr ptr;
	} held = {};

	reserve(&held.ptr);
	STORE_AT(u8, moved(&held, unknown() & 15), 1);
	submit(&held.ptr);
	return 0;
}

PROGRAM
int ver_098_accepted(void *ctx)
{
	struct {
		u64 before;
		struct bpf_dynptr ptr;
	} held = {};

	reserve(&held.ptr);
	STORE_AT(u8, moved(&held, unknown() & 7), 1);
	submit(&held.ptr);
	return 0;
}

/* VER-100: a helper overwrites the dynptr. */
static long (*read_kernel)(void *dst, u64 size, void *src) = (void *)BPF_FUNC_probe_read_kernel;

WHILE_HELD(ver_100_probe_read, read_kernel(&ptr, 8, 0))
WHILE_HELD(ver_100_comm, bpf_get_current_comm(&ptr, 16))
WHILE_HELD(ver_100_itself, bpf_dynptr_read(&ptr, 8, &ptr, 0, 0))
AFTER_RELEASE(ver_100_accepted, read_kernel(&ptr, 8, 0); bpf_get_current_comm(&ptr, 16))

/* VER-101: a direct read of the dynptr. */
WHILE_HELD(ver_101, KEEP(*(volatile u32 *)&ptr))
AFTER_RELEASE(ver_101_accepted, KEEP(*(volatile u32 *)&ptr))

/* VER-102: the dynptr as memory that a helper reads. */
WHILE_HELD(ver_102_output, output(events_map(), &ptr, 16, 0))
AFTER_RELEASE(ver_102_accepted, output(events_map(), &ptr, 16, 0))

/*
 * Instructions and jumps without effect. The verifier saves a state where paths can meet, but not within eight
 * instructions and two jumps of the last saved state. Here it saves one after the first jump and one at the end.
 */
#define REMEMBER                                                                        \
	({                                                                              \
		u64 number;                                                             \
		asm volatile("%0 = 1; %0 = 2; %0 = 3; %0 = 4; %0 = 5; %0 = 6; %0 = 7;"  \
			     "goto +0; goto +0; goto +0;"                               \
			     "%0 = 1; %0 = 2; %0 = 3; %0 = 4; %0 = 5; %0 = 6; %0 = 7"   \
			     : "=r"(number));                                           \
	})

/*
 * Define a program that reserves, does ACTION on one path, and submits where the paths meet. The verifier walks
 * the path without ACTION first, because its jump is not taken. If a kernel then considers the states of both
 * paths equal where they meet, it does not walk the rest of the path with ACTION.
 */
#define ON_ONE_PATH(NAME, BEFORE, ACTION)                                                          \
	PROGRAM int NAME(void *ctx)                                                                \
	{                                                                                          \
		struct bpf_dynptr ptr;                                                             \
                                                                                                   \
		BEFORE;                                                                            \
		asm volatile goto("if %0 == 0 goto %l[granted]" : : "r"(reserve(&ptr)) : : granted); \
		REMEMBER;                                                                          \
	meet:                                                                                      \
		submit(&ptr);                                                                      \
		return 0;                                                                          \
	granted:                                                                                   \
		ACTION;                                                                            \
		goto meet;                                                                         \
	}

/*
 * VER-104: one path overwrites the dynptr. VER-105: one path replaces it with a dynptr to memory. VER-106: one path
 * stores elsewhere.
 */
ON_ONE_PATH(ver_104, , STORE_AT(u64, &ptr, 0xeb9f))
ON_ONE_PATH(ver_105, void *memory = find_control(); if (!memory) return 0,
	    STORE_AT(u64, (u8 *)&ptr + 8, 0); STORE_AT(u64, &ptr, 0); bpf_dynptr_from_mem(memory, 8, 0, &ptr))
ON_ONE_PATH(ver_106, , STORE_AT(u64, STACK(-40), 0xeb9f))
