/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Slices: pointers into a reservation from bpf_dynptr_data, their lifetime and their bounds. */
#include "verifier.h"

/* VER-029: a slice is used after the release. */
PROGRAM
int ver_029(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (!slice)
		goto out;
	submit(&ptr);
	*slice = 1;
	return 0;
out:
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_029_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice)
		*slice = 1;
	submit(&ptr);
	return 0;
}

/* VER-030: a copy of the slice, with an offset and spilled to the stack, is used after the release. */
PROGRAM
int ver_030(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *volatile kept;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (!slice)
		goto out;
	kept = slice + 4;
	submit(&ptr);
	*kept = 1;
	return 0;
out:
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_030_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *volatile kept;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice) {
		kept = slice + 4;
		*kept = 1;
	}
	submit(&ptr);
	return 0;
}

/* Add the slice to a number, not a number to the slice. The verifier has separate code for it. */
static inline u8 *commuted(u8 *slice)
{
	u8 *sum;

	asm volatile("%0 = 0; %0 += %1" : "=&r"(sum) : "r"(slice));
	return sum;
}

/* VER-031: the sum of a number and the slice is used after the release. */
PROGRAM
int ver_031(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (!slice)
		goto out;
	slice = commuted(slice);
	submit(&ptr);
	KEEP(*(volatile u8 *)slice);
	return 0;
out:
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_031_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice)
		KEEP(*(volatile u8 *)commuted(slice));
	submit(&ptr);
	return 0;
}

/* VER-032: a slice is used after the release of another reservation. */
PROGRAM
int ver_032(void *ctx)
{
	struct bpf_dynptr first, second;
	u8 *slice;

	reserve(&first);
	reserve(&second);
	slice = slice_of(&second);
	submit(&first);
	if (slice)
		*slice = 1;
	submit(&second);
	return 0;
}

/* VER-040: a slice that is not tested for NULL. */
PROGRAM
int ver_040(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	*slice_of(&ptr) = 1;
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_040_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice)
		*slice = 1;
	submit(&ptr);
	return 0;
}

/* VER-041: the NULL test of another slice. */
PROGRAM
int ver_041(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *first, *second;

	reserve(&ptr);
	first = slice_of(&ptr);
	second = slice_of(&ptr);
	if (first)
		*second = 1;
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_041_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *first, *second;

	reserve(&ptr);
	first = slice_of(&ptr);
	second = slice_of(&ptr);
	if (first && second)
		*second = 1;
	submit(&ptr);
	return 0;
}

/* Define a program that does ACTION with a slice of eight bytes. */
#define WITH_SLICE(NAME, ACTION)        \
	PROGRAM int NAME(void *ctx)     \
	{                               \
		struct bpf_dynptr ptr;  \
		u8 *slice;              \
                                        \
		reserve(&ptr);          \
		slice = slice_of(&ptr); \
		if (slice) {            \
			ACTION;         \
		}                       \
		submit(&ptr);           \
		return 0;               \
	}

/* VER-042, VER-043: stores after the end, before the start and across the end. */
WITH_SLICE(ver_042, slice[RECORD] = 1)
WITH_SLICE(ver_042_accepted, slice[RECORD - 1] = 1)
WITH_SLICE(ver_043_before, slice[-1] = 1)
WITH_SLICE(ver_043_before_accepted, slice[0] = 1)
WITH_SLICE(ver_043_across, STORE_AT(u32, slice + 6, 1))
WITH_SLICE(ver_043_across_accepted, STORE_AT(u32, slice + 4, 1))

/* VER-044: a slice as memory for a helper, with its size. */
WITH_SLICE(ver_044, output(events_map(), slice, RECORD + 1, 0))
WITH_SLICE(ver_044_accepted, output(events_map(), slice, RECORD, 0))

/* VER-045: a variable index, with and without bounds. */
WITH_SLICE(ver_045_loose, slice[unknown() & 15] = 1)
WITH_SLICE(ver_045_unbounded, slice[bpf_ktime_get_ns()] = 1)
WITH_SLICE(ver_045_accepted, slice[unknown() & 7] = 1)

/* VER-051: an unaligned store. VER-052: an atomic operation. VER-053: a store of a pointer (privileged). */
WITH_SLICE(ver_051, STORE_AT(u32, slice + 1, 1))
WITH_SLICE(ver_052, __sync_fetch_and_add((u64 *)slice, 1))
WITH_SLICE(ver_053, STORE_AT(u64, slice, ctx))

/* VER-054: a slice is released like a record of bpf_ringbuf_reserve. */
WITH_SLICE(ver_054, discard_plain(slice, 0); return 0)

PROGRAM
int ver_054_accepted(void *ctx)
{
	u8 *record = reserve_plain(events_map(), RECORD, 0);

	if (record)
		discard_plain(record, 0);
	return 0;
}

/* VER-055: a record of bpf_ringbuf_reserve is released like a dynptr. */
PROGRAM
int ver_055(void *ctx)
{
	u8 *record = reserve_plain(events_map(), RECORD, 0);

	if (record)
		submit(record);
	return 0;
}

PROGRAM
int ver_055_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* VER-056: a dynptr to the memory of a slice. Only the memory of a map value is accepted. */
PROGRAM
int ver_056(void *ctx)
{
	struct bpf_dynptr ptr, inner;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice)
		bpf_dynptr_from_mem(slice, RECORD, 0, &inner);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_056_accepted(void *ctx)
{
	struct control *page = find_control();
	struct bpf_dynptr ptr, inner;

	reserve(&ptr);
	if (page)
		bpf_dynptr_from_mem(page, RECORD, 0, &inner);
	submit(&ptr);
	return 0;
}

/* Define a program that does ACTION with a slice of LEN bytes at OFFSET. */
#define WITH_DATA(NAME, OFFSET, LEN, ACTION)           \
	PROGRAM int NAME(void *ctx)                    \
	{                                              \
		struct bpf_dynptr ptr;                 \
		u8 *slice;                             \
                                                       \
		reserve(&ptr);                         \
		slice = data_as(&ptr, (OFFSET), (LEN)); \
		if (slice) {                           \
			ACTION;                        \
		}                                      \
		submit(&ptr);                          \
		return 0;                              \
	}

/* VER-046: a slice of no bytes. */
WITH_DATA(ver_046, 0, 0, *slice = 1)
WITH_DATA(ver_046_accepted, 0, 0, KEEP(slice))

/* VER-047: a variable length. VER-048: a length above the record. VER-049: a length above 32 bits. */
WITH_DATA(ver_047, 0, unknown() & 7, KEEP(slice))
WITH_DATA(ver_047_accepted, 0, 7, KEEP(slice))
WITH_DATA(ver_048, 0, 64, slice[63] = 1)
WITH_DATA(ver_049, 0, 0x100000008, slice[7] = 1)
WITH_DATA(ver_049_accepted, 0, 8, slice[7] = 1)

/* VER-050: a variable offset. */
WITH_DATA(ver_050, unknown(), 4, slice[3] = 1)

/* DYN-022: a slice as destination and as source of a dynptr helper. */
WITH_SLICE(dyn_022_read_into, bpf_dynptr_read(slice, RECORD, &ptr, 0, 0))
WITH_SLICE(dyn_022_write_from, bpf_dynptr_write(&ptr, 0, slice, RECORD, 0))
WITH_SLICE(dyn_022_read_beyond, bpf_dynptr_read(slice, RECORD + 1, &ptr, 0, 0))
