/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reservations and callbacks of helpers. */
#include "elf_object.h"
#include "verifier.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} numbers SEC(".maps");

struct timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct timer);
} timers SEC(".maps");

static long use_own(u32 i, void *unused)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

static long leak_own(u32 i, void *unused)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	return 0;
}

static long submit_own_twice(u32 i, void *unused)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	submit(&ptr);
	return 0;
}

static long write_to(u32 i, struct bpf_dynptr *ptr)
{
	u64 word = i;

	bpf_dynptr_write(ptr, 0, &word, sizeof(word), 0);
	return 0;
}

static long write_to_for_each(void *map, u32 *key, u64 *value, struct bpf_dynptr *ptr)
{
	return write_to(*key, ptr);
}

static long overwrite(u32 i, struct bpf_dynptr *ptr)
{
	STORE_AT(u64, ptr, 1);
	return 0;
}

static long overwrite_for_each(void *map, u32 *key, u64 *value, struct bpf_dynptr *ptr)
{
	return overwrite(*key, ptr);
}

static long reserve_into(u32 i, struct bpf_dynptr *ptr)
{
	reserve(ptr);
	return 0;
}

static long submit_of_caller(u32 i, struct bpf_dynptr *ptr)
{
	submit(ptr);
	return 0;
}

static long submit_of_caller_and_stop(u32 i, struct bpf_dynptr *ptr)
{
	submit(ptr);
	return 1;
}

/* Reservations of a callback. VER-008: never released. VER-022: released twice. VER-080: released once. */
PROGRAM
int ver_008(void *ctx)
{
	return bpf_loop(2, leak_own, 0, 0) < 0;
}

PROGRAM
int ver_022(void *ctx)
{
	return bpf_loop(2, submit_own_twice, 0, 0) < 0;
}

PROGRAM
int ver_080(void *ctx)
{
	return bpf_loop(2, use_own, 0, 0) < 0;
}

/* Define a program that reserves, passes its dynptr to a callback through CALL, and submits. */
#define WITH_CALLBACK(NAME, CALL)       \
	PROGRAM int NAME(void *ctx)     \
	{                               \
		struct bpf_dynptr ptr;  \
                                        \
		reserve(&ptr);          \
		CALL;                   \
		submit(&ptr);           \
		return 0;               \
	}

/* VER-081: the callback writes to the record. VER-099: it overwrites the dynptr. */
WITH_CALLBACK(ver_081_loop, bpf_loop(2, write_to, &ptr, 0))
WITH_CALLBACK(ver_081_for_each, bpf_for_each_map_elem(&numbers, write_to_for_each, &ptr, 0))
WITH_CALLBACK(ver_099_loop, bpf_loop(2, overwrite, &ptr, 0))
WITH_CALLBACK(ver_099_for_each, bpf_for_each_map_elem(&numbers, overwrite_for_each, &ptr, 0))

/* VER-082: a callback reserves into the dynptr of its caller. */
PROGRAM
int ver_082(void *ctx)
{
	struct bpf_dynptr ptr;

	bpf_loop(1, reserve_into, &ptr, 0);
	submit(&ptr);
	return 0;
}

/* VER-083: a callback and its caller release the dynptr. VER-084: only the callback releases it. */
WITH_CALLBACK(ver_083, bpf_loop(1, submit_of_caller, &ptr, 0))

PROGRAM
int ver_084(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	bpf_loop(1, submit_of_caller, &ptr, 0);
	return 0;
}

PROGRAM
int ver_084_stops(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	bpf_loop(1, submit_of_caller_and_stop, &ptr, 0);
	return 0;
}

/* VER-011, VER-085: the callback of a timer. Tracing program types cannot have timers. */
static int use_own_on_timer(void *map, int *key, struct timer *timer)
{
	return use_own(0, 0);
}

static int leak_own_on_timer(void *map, int *key, struct timer *timer)
{
	return leak_own(0, 0);
}

#define ON_TIMER(NAME, CALLBACK)                                            \
	SEC("tc") int NAME(struct __sk_buff *skb)                           \
	{                                                                   \
		u32 zero = 0;                                               \
		struct timer *timer = bpf_map_lookup_elem(&timers, &zero);  \
                                                                            \
		if (!timer)                                                 \
			return 0;                                           \
		bpf_timer_init(&timer->timer, &timers, 1 /* monotonic */); \
		bpf_timer_set_callback(&timer->timer, CALLBACK);            \
		bpf_timer_start(&timer->timer, 0, 0);                       \
		return 0;                                                   \
	}

ON_TIMER(ver_011, leak_own_on_timer)
ON_TIMER(ver_085, use_own_on_timer)
