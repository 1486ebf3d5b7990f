/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reservations around and inside loops: open-coded iterators (v6.4) and bounded loops. */
#include <linux/version.h>
#include "elf_object.h"
#include "verifier.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0) /* older linux/bpf.h lacks it */
struct bpf_iter_num {
	u64 __opaque[1];
} __attribute__((aligned(8)));
#endif

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym __weak;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym __weak;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym __weak;

/* Define a program with a loop of 512 iterations. It does BEFORE, ROUND in each iteration, and AFTER. */
#define LOOP(NAME, BEFORE, ROUND, AFTER)                  \
	PROGRAM int NAME(void *ctx)                       \
	{                                                 \
		struct bpf_iter_num it;                   \
		struct bpf_dynptr ptr;                    \
		u8 *slice = 0;                            \
		int *i;                                   \
                                                          \
		KEEP(slice);                              \
		BEFORE;                                   \
		bpf_iter_num_new(&it, 0, 512);            \
		while ((i = bpf_iter_num_next(&it))) {    \
			ROUND;                            \
		}                                         \
		bpf_iter_num_destroy(&it);                \
		AFTER;                                    \
		return 0;                                 \
	}

/* VER-190: a reservation around a loop, and one in each iteration. */
LOOP(ver_190_around, reserve_as(events_map(), 2048, 0, &ptr), u32 word = *i;
     bpf_dynptr_write(&ptr, word * 4, &word, sizeof(word), 0), submit(&ptr))
LOOP(ver_190_in, , reserve_as(events_map(), *i, 0, &ptr); submit(&ptr), )
LOOP(ver_190_break, , if (reserve(&ptr)) {
	discard(&ptr);
	break;
} submit(&ptr), )

/* VER-191: an exit from the loop with a reservation. */
LOOP(ver_191, , reserve(&ptr); if (*i == 300) break; submit(&ptr), )

/* VER-192: a slice from the previous iteration. */
LOOP(ver_192, , if (slice) STORE_AT(u8, slice, 1); reserve(&ptr); slice = slice_of(&ptr); submit(&ptr), )
LOOP(ver_192_accepted, , reserve(&ptr); slice = slice_of(&ptr); if (slice) STORE_AT(u8, slice, 1); submit(&ptr), )

/* VER-193: a release that is only in the loop, which may have no iterations. */
LOOP(ver_193, reserve(&ptr), submit(&ptr); break, )

/* VER-194: a release in each iteration. */
LOOP(ver_194, reserve(&ptr), submit(&ptr), )
LOOP(ver_194_accepted, reserve(&ptr), submit(&ptr); reserve(&ptr), submit(&ptr))

/* VER-195: a reservation in each iteration, and a release after the loop. */
LOOP(ver_195, , reserve(&ptr), submit(&ptr))

/* VER-196: an iterator and a reservation in the same stack slots. */
PROGRAM
int ver_196_iterator(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	bpf_iter_num_new((void *)&ptr, 0, 512);
	bpf_iter_num_destroy((void *)&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_196_reserve(void *ctx)
{
	struct bpf_iter_num it[2];

	bpf_iter_num_new(&it[0], 0, 512);
	KEEP(&it[1]);
	reserve(it);
	submit(it);
	bpf_iter_num_destroy(&it[0]);
	return 0;
}

PROGRAM
int ver_196_accepted(void *ctx)
{
	struct bpf_iter_num it[2];

	bpf_iter_num_new(&it[0], 0, 512);
	bpf_iter_num_destroy(&it[0]);
	KEEP(&it[1]);
	reserve(it);
	submit(it);
	bpf_iter_num_new(&it[0], 0, 512);
	bpf_iter_num_destroy(&it[0]);
	return 0;
}

/* VER-197: 512 reservations in a bounded loop, with branches on unknown numbers. */
PROGRAM
int ver_197(void *ctx)
{
	struct bpf_dynptr ptr;

	for (int i = 0; i < 512; i++) {
		u32 number = unknown();
		u8 *slice;

		if (reserve(&ptr)) {
			discard(&ptr);
			break;
		}
		slice = slice_of(&ptr);
		if (!slice || !number) {
			discard(&ptr);
			break;
		}
		if (number & 1)
			slice[0] = 1;
		if (number & 2)
			slice[1] = 1;
		submit(&ptr);
		if (number < 256)
			break;
	}
	return 0;
}
