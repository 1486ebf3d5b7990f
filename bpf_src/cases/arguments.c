/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Arguments of the helpers: maps, numbers, and the place of a dynptr. */
#include "verifier.h"

#ifdef ELF_OBJECT
static inline void *array_map(void)
{
	return &control;
}
#else
/* As in events_map(): BCC rewrites `control.lookup(&key)` to `bpf_map_lookup_elem(<address>, &key)`. */
#define bpf_map_lookup_elem(map, key) ((void *)(map))
static inline void *array_map(void)
{
	int zero = 0;

	return control.lookup(&zero);
}
#undef bpf_map_lookup_elem
#endif

/* VER-060: the return value of submit, which has none. */
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

/* VER-061: calls with unset arguments, through declarations that lack them. */
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

/* VER-062: unknown numbers as size and flags. VER-063: pointers as size and flags, by a privileged program. */
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

/* Define a program that reserves from MAP. */
#define FROM_MAP(NAME, MAP)                          \
	PROGRAM int NAME(void *ctx)                  \
	{                                            \
		struct bpf_dynptr ptr;               \
                                                     \
		reserve_as((MAP), RECORD, 0, &ptr); \
		submit(&ptr);                        \
		return 0;                            \
	}

/* VER-064: an array. VER-066: no map. VER-067: an element of a map-in-map, which may be NULL. */
FROM_MAP(ver_064, array_map())
FROM_MAP(ver_064_accepted, events_map())
FROM_MAP(ver_066_null, (void *)0)
FROM_MAP(ver_066_number, (void *)(u64)unknown())
FROM_MAP(ver_067, find_ring())

/* VER-068: an element of a map-in-map after a test for NULL. */
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

/* VER-069: the release depends on a ring pointer that the program spilled to the stack. */
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

/* QRY-009: a query of a map that is not a ring buffer. */
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

/* MAP-017: a lookup in a ring buffer. */
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

/* Define a program that reserves into a dynptr at PLACE. */
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

/* VER-070: a map value. VER-071: a map value without a test for NULL. VER-072: NULL, a number, the context. */
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

/* Define a program that reserves into a dynptr at OFFSET on the stack, does ACTION, and submits. */
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

/* VER-073: an unaligned offset. VER-074: room for half a dynptr. VER-075: an address outside the stack. */
INTO_STACK(ver_073, -28, )
INTO_STACK(ver_073_accepted, -24, )
INTO_STACK(ver_074, -8, )
INTO_STACK(ver_074_accepted, -16, )
INTO_STACK(ver_075, 0, )

/* VER-076, VER-077: the second half of a dynptr, used as a dynptr. */
INTO_STACK(ver_076, -16, submit(place + 8))
INTO_STACK(ver_077_write, -16, bpf_dynptr_write((void *)(place + 8), 0, STACK(-40), 8, 0))
INTO_STACK(ver_077_read, -16, bpf_dynptr_read(STACK(-40), 8, (void *)(place + 8), 0, 0))

/* VER-078: a variable stack offset. */
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

/* VER-079: eight reservations at the same time. */
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
