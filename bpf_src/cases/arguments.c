/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the helpers take: maps, numbers, and where on the stack a dynptr may be. */
#include "verifier.h"

#ifdef ELF_OBJECT
static inline void *array_map(void)
{
	return &control;
}
#else
/* As events_map() does it: BCC makes `control.lookup(&key)` `bpf_map_lookup_elem(<its address>, &key)`. */
#define bpf_map_lookup_elem(map, key) ((void *)(map))
static inline void *array_map(void)
{
	int zero = 0;

	return control.lookup(&zero);
}
#undef bpf_map_lookup_elem
#endif

/* VER-060: submit returns nothing. */
static long (*submit_for_result)(struct bpf_dynptr *ptr, u64 flags) = (void *)BPF_FUNC_ringbuf_submit_dynptr;

PROGRAM
int ver_060(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	return submit_for_result(&ptr, 0) != 0;
}

PROGRAM
int ver_060_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	long error = reserve(&ptr);

	submit(&ptr);
	return error != 0;
}

/* VER-061: calls that leave an argument unset: who declares a helper with less does not set the rest. */
static long (*reserve_unsized)(void *ringbuf) = (void *)BPF_FUNC_ringbuf_reserve_dynptr;
static void (*submit_unflagged)(struct bpf_dynptr *ptr) = (void *)BPF_FUNC_ringbuf_submit_dynptr;

PROGRAM
int ver_061_size(void *ctx)
{
	return reserve_unsized(events_map()) != 0;
}

PROGRAM
int ver_061_flags(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit_unflagged(&ptr);
	return 0;
}

PROGRAM
int ver_061_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* VER-062: sizes and flags of which nothing is known. VER-063: even pointers, from a privileged program. */
PROGRAM
int ver_062(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve_as(events_map(), bpf_ktime_get_ns(), unknown(), &ptr);
	submit_as(&ptr, bpf_ktime_get_ns());
	return 0;
}

PROGRAM
int ver_063(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve_as(events_map(), (u64)&ptr, 0, &ptr);
	submit_as(&ptr, (u64)&ptr);
	return 0;
}

/* A program that reserves from a map. */
#define FROM_MAP(NAME, MAP)                          \
	PROGRAM int NAME(void *ctx)                  \
	{                                            \
		struct bpf_dynptr ptr;               \
                                                     \
		reserve_as((MAP), RECORD, 0, &ptr); \
		submit(&ptr);                        \
		return 0;                            \
	}

/* VER-064: an array. VER-066: no map. VER-067: a ring of a map of maps that may be NULL. */
FROM_MAP(ver_064, array_map())
FROM_MAP(ver_064_accepted, events_map())
FROM_MAP(ver_066_null, (void *)0)
FROM_MAP(ver_066_number, (void *)(u64)unknown())
FROM_MAP(ver_067, find_ring())

/* VER-068: tested. */
PROGRAM
int ver_068(void *ctx)
{
	void *ring = find_ring();
	struct bpf_dynptr ptr;

	if (!ring)
		return 0;
	reserve_as(ring, RECORD, 0, &ptr);
	submit(&ptr);
	return 0;
}

/* VER-069: the ring is kept beside the dynptr, and tells later whether there is something to release. */
PROGRAM
int ver_069(void *ctx)
{
	struct {
		struct bpf_dynptr ptr;
		void *volatile ring;
	} held;

	held.ring = find_ring();
	if (held.ring)
		reserve_as(held.ring, RECORD, 0, &held.ptr);
	if (held.ring)
		submit(&held.ptr);
	return 0;
}

/* QRY-009: a query to a map that is no ring. */
PROGRAM
int qry_009(void *ctx)
{
	KEEP(query_as(array_map(), BPF_RB_RING_SIZE));
	return 0;
}

PROGRAM
int qry_009_accepted(void *ctx)
{
	KEEP(query_as(events_map(), BPF_RB_RING_SIZE));
	return 0;
}

/* MAP-017: a ring has no elements to look up. */
PROGRAM
int map_017(void *ctx)
{
	u64 key = 0;

	return !lookup(events_map(), &key);
}

PROGRAM
int map_017_accepted(void *ctx)
{
	u64 key = 0;

	return !lookup(array_map(), &key);
}

/* A program that reserves into a place. */
#define INTO(NAME, PLACE)               \
	PROGRAM int NAME(void *ctx)     \
	{                               \
		struct bpf_dynptr ptr;  \
		void *place = (PLACE);  \
                                        \
		KEEP(&ptr);             \
		reserve(place);         \
		submit(place);          \
		return 0;               \
	}

/* VER-070: the value of a map; VER-071: not tested for NULL. VER-072: nowhere, a number, the context. */
PROGRAM
int ver_070(void *ctx)
{
	void *place = find_control();

	if (!place)
		return 0;
	reserve(place);
	submit(place);
	return 0;
}

INTO(ver_070_accepted, &ptr)
INTO(ver_071, find_control())
INTO(ver_072_null, (void *)0)
INTO(ver_072_number, (void *)(u64)unknown())
INTO(ver_072_context, ctx)

/* A program that reserves into a place on the stack, does something, and submits. */
#define INTO_STACK(NAME, OFFSET, ACTION)     \
	PROGRAM int NAME(void *ctx)          \
	{                                    \
		u8 *place = STACK(OFFSET);   \
                                             \
		STORE_AT(u64, STACK(-40), 0); \
		reserve(place);              \
		ACTION;                      \
		submit(place);               \
		return 0;                    \
	}

/* VER-073: not at a multiple of eight. VER-074: with room for half of it. VER-075: beyond the stack. */
INTO_STACK(ver_073, -28, )
INTO_STACK(ver_073_accepted, -24, )
INTO_STACK(ver_074, -8, )
INTO_STACK(ver_074_accepted, -16, )
INTO_STACK(ver_075, 0, )

/* VER-076, VER-077: its second half is no dynptr. */
INTO_STACK(ver_076, -16, submit(place + 8))
INTO_STACK(ver_077_write, -16, bpf_dynptr_write((void *)(place + 8), 0, STACK(-40), 8, 0))
INTO_STACK(ver_077_read, -16, bpf_dynptr_read(STACK(-40), 8, (void *)(place + 8), 0, 0))

/* VER-078: at a place that only the run will tell. */
PROGRAM
int ver_078(void *ctx)
{
	struct bpf_dynptr both[2];
	u32 i = unknown() & 1;

	reserve(&both[i]);
	submit(&both[i]);
	return 0;
}

PROGRAM
int ver_078_accepted(void *ctx)
{
	struct bpf_dynptr both[2];

	reserve(&both[1]);
	submit(&both[1]);
	return 0;
}

/* VER-079: eight at a time. */
PROGRAM
int ver_079(void *ctx)
{
	struct bpf_dynptr held[8];

#pragma unroll
	for (int i = 0; i < 8; i++)
		reserve(&held[i]);
#pragma unroll
	for (int i = 0; i < 8; i++)
		submit(&held[i]);
	return 0;
}
